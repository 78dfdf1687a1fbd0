"""The flags of `python -m analysis` and its commands. Imports nothing slow: a help text need not wait for pandas."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass
class ReportArguments:
    """Write RESULTS/report/index.html: one page with what a study found, its figures beside it.

    Other commands:

        python -m analysis recommend --help    settings for own data, whose noise it estimates
        python -m analysis watch --help        the page and a table in the terminal while a study runs
    """

    results: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS")]
    """A study's results folder, finished or still running; of one on object storage (s3://bucket/results/STUDY) the
    report is written below STUDY here."""


@dataclass
class RecommendArguments:
    """Settings for your data, from a study and the share of labels that are wrong.

        python -m analysis recommend --study results/digits --noise-rate 0.3
        python -m analysis recommend --study results/cifar100 --labels my.csv --images DIR

    Without --noise-rate the rate is estimated from out-of-fold predictions of a short training on your images. Writes
    settings for python -m codim.
    """

    study: str
    """Results folder of the study, local or s3://."""
    noise_rate: float | None = None
    """Share of wrong labels, where you know it: in [0, 1)."""
    labels: Path | None = None
    """Table (.csv or .parquet) with columns path and label."""
    images: Path | None = None
    """Folder that the paths of --labels start from (by default the table's own); without --labels: a folder with a
    folder of images per class."""
    predictions: Path | None = None
    """Out-of-fold predictions that python -m codim crossval wrote: no training then."""
    noise_kind: Literal["symmetric", "asymmetric", "instance", "openset", "file"] = "symmetric"
    """Which of the study's conditions are most like your data."""
    output: Path = Path("recommended.json")
    """The settings, for python -m codim --config."""


@dataclass
class WatchArguments:
    """Keep the page of a running study up to date, and show how far it is.

        python -m analysis watch results/cifar100

    Ends when the study has; Ctrl-C ends it too, and leaves the page.
    """

    results: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS")]
    """The study's results folder, local or s3://."""
    every: float = 30
    """Seconds from one look to the next; the page is written again where something is new."""
