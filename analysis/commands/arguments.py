"""Command-line flags of `python -m analysis` and its commands. Imports nothing slow, so that --help is fast."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Results = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS")]


@dataclass
class ReportArguments:
    """Write RESULTS/report/index.html: one page with what a study found, its figures beside it.

    Other commands:

        python -m analysis recommend --help    settings for own data, whose noise it estimates
        python -m analysis watch --help        the page and a table in the terminal while a study runs
        python -m analysis export --help       the trials for other programs, a table for a paper
        python -m analysis trusted --help      what trusted labels are worth, from studies that have more and fewer

    --version prints the version.
    """

    results: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS", help_behavior_hint="(one or more)")
    ]
    """A study's results folder, finished or running; the report of one on object storage (s3://bucket/results/STUDY) is
    written below STUDY here. Several studies of one space become one report, in FIRST+SECOND beside the first."""


@dataclass
class RecommendArguments:
    """Recommend settings for your data, from a study and the share of labels that are wrong.

        python -m analysis recommend --study results/digits --noise-rate 0.3
        python -m analysis recommend --study results/cifar100 --labels my.csv --images DIR
        python -m analysis recommend --study results/cifar100 --labels my.csv --images DIR --noise-rate 0.3

    Without --noise-rate the rate is estimated from out-of-fold predictions: two networks per fold, of four, train for
    as long as a warm-up, with the study's fixed settings, and what follows from the data computed from yours. For other
    settings run python -m codim crossval with a --config, and pass its --predictions. Writes
    settings for python -m codim.
    """

    study: str
    """Results folder of the study, local or s3://."""
    noise_rate: Annotated[float | None, tyro.conf.arg(metavar="RATE", help_behavior_hint="")] = None
    """Share of labels that are wrong, if known: in [0, 1)."""
    labels: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Label table (.csv or .parquet) with columns path and label; of embeddings label alone, in their order."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder that the paths of --labels are relative to (default: the table's own); without --labels: a folder with a
    folder of images per class. Or a .npy, .npz or .parquet file of embeddings."""
    predictions: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Out-of-fold predictions, as `crossval` writes them; then nothing is trained."""
    noise_kind: str = "symmetric"
    """Noise kind of the study's conditions that are most like your data, such as symmetric, asymmetric or pairflip."""
    output: Path = Path("recommended.json")
    """File for the settings, for `--config` of a training."""


@dataclass
class WatchArguments:
    """Keep the page of a running study up to date, and show its progress.

        python -m analysis watch results/cifar100

    Ends with the study, or with Ctrl-C, which keeps the page.
    """

    results: Results
    """Results folder of the study, local or s3://."""
    every: float = 30
    """Seconds between two updates; the page is rewritten if something has changed."""


@dataclass
class ExportArguments:
    """Export a study for other programs and for a paper.

        python -m analysis export results/digits --to optuna --output digits.db
        python -m analysis export results/digits --to latex --output digits.tex

    optuna: one Optuna study per condition, "<study> <condition>", in an SQLite file, or in Optuna's journal if the name
    ends in .journal. Every trial of the search with its state, parameters, objective, the objective's metric at every
    epoch (by samples), and as user attributes all settings, seed, cost, test accuracy and realised noise. A baseline's
    value outside the space, and a 0 beside a range, are user attributes only.

    mlflow: one run per trial of the search in the experiment of the study's name, in an SQLite file (needs the extra
    `watch` of this project); metrics as the study's own logger names them, by samples.

    markdown, latex, csv: test accuracy as papers tabulate it, methods by conditions, best and last epoch, and published
    numbers of other methods on the same data and noise. csv is the long form, one number per row.
    """

    results: Results
    """Results folder of the study, or its address on object storage."""
    to: Literal["optuna", "mlflow", "markdown", "latex", "csv"]
    """Format of the export."""
    output: Path
    """Output file. A table replaces it; Optuna studies and MLflow experiments are added to those it contains."""


@dataclass
class TrustedArguments:
    """Tell how many doubtful labels a trusted one is worth, from studies that differ in their numbers of both.

        python study/run.py --space embeddings --set name=few fixed/data/subset=2000
        python study/run.py --space embeddings --set name=many fixed/data/subset=8000
        python study/run.py --space embeddings --set name=told fixed/data/subset=2000 fixed/data/trusted_per_class=50
        python -m analysis trusted results/few results/many results/told

    At least two of them have no trusted labels and differ in `data/subset`, and one has some. All else is the same.
    """

    results: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS", help_behavior_hint="(three or more)")
    ]
    """Results folders of the studies, local or s3://."""
    output: Path = Path("trusted.png")
    """File for the figure; .svg and .csv, the numbers, are written beside it."""
