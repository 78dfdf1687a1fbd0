"""Does `codim.NoisyLabelClassifier` with its defaults do better than what users have at hand, where labels are wrong?

    python benchmarks/estimator.py --quick      # digits alone, one seed
    python benchmarks/estimator.py              # digits, and mnist and fashion_mnist where their files are found

40% of the training labels are drawn anew. Rivals: logistic regression, random forest and kNN of scikit-learn on pixels,
their strength chosen by cross-validation on the given labels, and cleanlab's CleanLearning around the best of them.
Which is best is read off the test images, to its advantage. The figure is test accuracy; seeds are those of noise,
sample and weights.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from rivals import CLEANED, OURS, PLAIN, cleaned, difference, plain, symmetric, table, told

import codim
from codim.config.data import DataConfig
from codim.data.load import DATASETS

TEST = 2_000


@dataclass(frozen=True)
class Run:
    """All classifiers on one sample of a data set."""

    data: str
    seed: int
    images: int
    rate: float
    minutes: float


@dataclass
class Arguments:
    """Compare classifiers."""

    data: tuple[str, ...] = ("digits", "mnist", "fashion_mnist")
    images: int = 5_000
    rate: float = 0.4
    seeds: int = 3
    minutes: float = 0
    """Time of each training of ours; 0: as the defaults say."""
    quick: bool = False
    workers: int = 2
    rows: Path = RESULTS / "estimator.jsonl"


def work(run: Run) -> dict[str, Any]:
    """Return test accuracies by name."""
    torch.set_num_threads(1)
    source = DATASETS[run.data](DataConfig(name=run.data))
    rng = np.random.default_rng(run.seed)
    chosen = rng.permutation(len(source.labels))[: run.images]
    images, labels = source.images[chosen], source.labels[chosen]
    test, true = source.test_images[:TEST], source.test_labels[:TEST]
    given = symmetric(labels, run.rate, run.seed)
    model = codim.NoisyLabelClassifier(minutes=run.minutes or None, random_state=run.seed)
    found = {OURS: float(model.fit(images.transpose(0, 2, 3, 1), given).score(test.transpose(0, 2, 3, 1), true))}
    x, z = images.reshape(len(images), -1) / 255, test.reshape(len(test), -1) / 255
    for name in PLAIN:
        found[name] = float(plain(name, run.seed).fit(x, given).score(z, true))
    best = max(PLAIN, key=lambda name: found[name])
    found[CLEANED] = float(cleaned(best, run.seed).fit(x, given).score(z, true))
    return found


def main(args: Arguments) -> None:
    names, seeds = (("digits",), 1) if args.quick else (args.data, args.seeds)
    usable = [name for name in names if _found(name)]
    runs = [Run(name, seed, args.images, args.rate, args.minutes) for name in usable for seed in range(seeds)]
    rows = finished(args.rows, runs, work, args.workers, "training")
    columns, bars = (OURS, *PLAIN, CLEANED), []
    lines = {name: {c: [row[c] for row in rows if row["data"] == name] for c in columns} for name in usable}
    for name, values in lines.items():
        best = max(columns[1:], key=lambda column: np.mean(values[column]))
        gap = difference(values[OURS], values[best])
        bars.append(Bar(f"estimator, {name}", f"{told(gap)} to {best}", "0 or more", gap[0] >= 0))
    caption = f"{args.rate:.0%} of up to {args.images} labels drawn anew; {seeds} seeds."
    keep("estimator", f"{table(lines, columns)}\n\n{caption}", {"rows": rows})
    judge(bars)


def _found(name: str) -> bool:
    try:
        DATASETS[name](DataConfig(name=name))
    except ValueError as error:
        print(f"left out: {str(error).splitlines()[0]}")
        return False
    return True


if __name__ == "__main__":
    main(tyro.cli(Arguments))
