"""How well are wrong labels found: by what the networks thought of them over all epochs, or by cleanlab?

    python benchmarks/detection.py --embeddings cifar10-squeezenet.npz --human CIFAR-10_human.pt
    python benchmarks/detection.py --quick --embeddings ...         # 3,000 images, one seed

The embeddings are those of benchmarks/squeezenet.py (without them: the digits, as vectors of their pixels). Noise:
symmetric .2 and .5, asymmetric .4, instance .4, and the labels of people where CIFAR-10N's file is given (aggregate,
random1, worst).

Ours is `codim.NoisyLabelClassifier().label_quality_`, beside the other columns of the audit. cleanlab's scores
(self-confidence) come from out-of-fold predictions of the same network, for as long as a warm-up, and from those of a
logistic regression, as its users make them. Figures: average precision of finding the wrong labels; share of them that
is missed among as many most doubtful labels as there are wrong ones.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from cleanlab.rank import get_label_quality_scores
from kept import RESULTS, Bar, finished, judge, keep
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import codim
from codim.config.auto import WARMUP_SHARE
from codim.estimator import trained
from codim.noise.kinds import NOISE_ADAPTER
from codim.noise.label_files import read_label_file

MADE: dict[str, dict[str, Any]] = {
    "symmetric .2": {"kind": "symmetric", "rate": 0.2},
    "symmetric .5": {"kind": "symmetric", "rate": 0.5},
    "asymmetric .4": {"kind": "asymmetric", "rate": 0.4},
    "instance .4": {"kind": "instance", "rate": 0.4, "pixels": "standardised"},
}
HUMAN = {"human, aggregate": "aggre_label", "human, random": "random_label1", "human, worst": "worse_label"}
COLUMNS = {"mean_probability": 1, "mean_margin": 1, "contradicted": -1, "clean_probability": 1}
"""Columns of the audit, and whether a large value means trust."""
OURS = "mean_probability"
"""The column that `label_quality_` is."""
FOLDS = 4
CLEANLAB, REGRESSION = "cleanlab, same network", "cleanlab, logistic regression"


@dataclass(frozen=True)
class Run:
    """One training, and the scores of its labels."""

    setting: str
    seed: int
    images: int
    passes: int
    """Budget, in passes over the images."""
    method: str
    embeddings: str
    human: str


@dataclass
class Arguments:
    """Find wrong labels."""

    embeddings: Path | None = None
    """File of benchmarks/squeezenet.py."""
    human: Path | None = None
    """CIFAR-10_human.pt of CIFAR-10N."""
    images: int = 10_000
    seeds: int = 3
    method: str = "dividemix"
    quick: bool = False
    workers: int = 2
    rows: Path = RESULTS / "detection.jsonl"
    only: tuple[str, ...] = ()
    """Some of the settings."""


def data(run: Run) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return samples (N, D), true and given labels (N,)."""
    if run.embeddings:
        with np.load(run.embeddings, allow_pickle=False) as file:
            samples, true = file["embeddings"][: run.images], file["labels"][: run.images].astype(np.int64)
        classes = "cifar10"
    else:
        samples, true = (own[: run.images] for own in load_digits(return_X_y=True))
        classes = "digits"
    if run.setting in HUMAN:
        given = np.asarray(read_label_file(Path(run.human))[HUMAN[run.setting]])[: len(true)].astype(np.int64)
    else:
        settings = MADE[run.setting] | {"seed": run.seed}
        if settings["kind"] == "asymmetric":
            settings["map"] = classes
        given = NOISE_ADAPTER.validate_python(settings).apply(true, 10, samples.astype(np.float32))
    return samples.astype(np.float32), true, given


def work(run: Run) -> dict[str, Any]:
    """Train, score all labels in every way, and return the figures of each by name, and the share of wrong labels."""
    torch.set_num_threads(1)
    samples, true, given = data(run)
    wrong = given != true
    budget = {"data": {"val_fraction": 0.0}, "train": {"samples": run.passes * len(samples)}}
    classes, number = np.unique(given, return_inverse=True)
    fitted = trained(samples, classes, number, None, run.method, None, budget, run.seed, shown=False)
    table = fitted.audit_table()
    scores = {name: sign * table[name].to_numpy() for name, sign in COLUMNS.items()}
    short = {"train": {"samples": round(WARMUP_SHARE * run.passes * len(samples))}}
    models: dict[str, Any] = {
        CLEANLAB: codim.NoisyLabelClassifier("ce", settings=short, random_state=run.seed),
        REGRESSION: make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000)),
    }
    for name, model in models.items():
        probabilities = cross_val_predict(model, samples, number, cv=FOLDS, method="predict_proba")
        scores[name] = get_label_quality_scores(number, probabilities)
    return {name: figures(wrong, own) for name, own in scores.items()} | {"rate": float(wrong.mean())}


def figures(wrong: NDArray[np.bool_], quality: NDArray[np.float64]) -> tuple[float, float]:
    """Return average precision, and the share of wrong labels that is missed among the `wrong.sum()` most doubtful."""
    most = np.argsort(quality, kind="stable")[: wrong.sum()]
    return float(average_precision_score(wrong, -quality)), float(1 - wrong[most].mean())


def main(args: Arguments) -> None:
    images, seeds, passes = (3_000, 1, 40) if args.quick else (args.images, args.seeds, 120)
    settings = [*MADE, *(HUMAN if args.human and args.embeddings else ())]
    settings = [name for name in settings if not args.only or name in args.only]
    places = [str(place) if place else "" for place in (args.embeddings, args.human)]
    runs = [Run(name, seed, images, passes, args.method, *places) for name in settings for seed in range(seeds)]
    rows = finished(args.rows, runs, work, args.workers, "finding wrong labels")
    names = [*COLUMNS, CLEANLAB, REGRESSION]
    lines, above, below = [], 0, 0
    for setting in settings:
        own = [row for row in rows if row["setting"] == setting]
        means = {name: np.mean([row[name] for row in own], axis=0) for name in names}
        gap = means[OURS][0] - means[CLEANLAB][0]
        above, below = above + (gap > 0), below + (gap < 0)
        cells = [f"{100 * precision:.1f} ({100 * missed:.1f})" for precision, missed in means.values()]
        lines.append([setting, f"{100 * np.mean([row['rate'] for row in own]):.1f}", *cells])
    text = "\n".join(
        " | ".join(["", *line, ""]).strip()
        for line in [["labels", "wrong (%)", *names], ["---", *["--:"] * (len(names) + 1)], *lines]
    )
    caption = f"Average precision, and share not found (%). {images} samples, {seeds} seeds, {args.method}."
    keep("detection", f"{text}\n\n{caption}", {"rows": rows})
    needed = len(settings) - len(settings) // 6
    judge(
        [
            Bar(
                "detection",
                f"average precision above cleanlab's in {above} of {len(settings)} settings, below in {below}",
                f"above in {needed}, below in none",
                above >= needed and not below,
            )
        ]
    )


if __name__ == "__main__":
    main(tyro.cli(Arguments))
