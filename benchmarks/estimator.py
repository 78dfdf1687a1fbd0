"""Does `codim.NoisyLabelClassifier` with its defaults do better than what users have at hand, where labels are wrong?

    python benchmarks/estimator.py --quick      # digits alone, one seed
    python benchmarks/estimator.py              # digits, and mnist and fashion_mnist where their files are found
    python benchmarks/estimator.py --embeddings cifar10-squeezenet.npz      # of benchmarks/squeezenet.py, also

40% of the training labels are drawn anew. Rivals: logistic regression, random forest and kNN of scikit-learn on pixels
or embeddings, their strength chosen by cross-validation on the given labels, and cleanlab's CleanLearning around the
best of them. Which is best is read off the test images, to its advantage. The figure is test accuracy; seeds are those
of noise, sample and weights.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from rivals import CLEANED, OURS, PLAIN, Parts, cleaned, difference, plain, read_parts, symmetric, table, told

import codim
from codim.config.data import DataConfig
from codim.data.load import DATASETS

TEST = 2_000


@dataclass(frozen=True)
class Run:
    """All classifiers on one sample of a data set."""

    data: str
    """Name of a data set, or path of a file of embeddings."""
    seed: int
    images: int
    rate: float
    minutes: float


@dataclass
class Arguments:
    """Compare classifiers."""

    data: tuple[str, ...] = ("digits", "mnist", "fashion_mnist")
    embeddings: Path | None = None
    """A .npz with embeddings, labels and split (train, test), as a further data set."""
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
    samples, labels, test, true = _parts(run.data)
    chosen = np.random.default_rng(run.seed).permutation(len(labels))[: run.images]
    samples, given = samples[chosen], symmetric(labels[chosen], run.rate, run.seed)
    model = codim.NoisyLabelClassifier(minutes=run.minutes or None, random_state=run.seed)
    found = {OURS: float(model.fit(samples, given).score(test, true))}
    x, z = (part.reshape(len(part), -1) / (255 if part.ndim == 4 else 1) for part in (samples, test))
    for name in PLAIN:
        found[name] = float(plain(name, run.seed).fit(x, given).score(z, true))
    best = max(PLAIN, key=lambda name: found[name])
    found[CLEANED] = float(cleaned(best, run.seed).fit(x, given).score(z, true))
    return found


def main(args: Arguments) -> None:
    names, seeds = (("digits",), 1) if args.quick else (args.data, args.seeds)
    usable = [name for name in names if _found(name)]
    if args.embeddings and not args.quick:
        usable.append(str(args.embeddings))
    runs = [Run(name, seed, args.images, args.rate, args.minutes) for name in usable for seed in range(seeds)]
    rows = finished(args.rows, runs, work, args.workers, "training")
    columns, bars = (OURS, *PLAIN, CLEANED), []
    lines = {Path(name).stem: {c: [row[c] for row in rows if row["data"] == name] for c in columns} for name in usable}
    for name, values in lines.items():
        best = max(columns[1:], key=lambda column: np.mean(values[column]))
        gap = difference(values[OURS], values[best])
        bars.append(Bar(f"estimator, {name}", f"{told(gap)} to {best}", "0 or more", gap[0] >= 0))
    caption = f"{args.rate:.0%} of up to {args.images} labels drawn anew; {seeds} seeds."
    keep("estimator", f"{table(lines, columns)}\n\n{caption}", {"rows": rows})
    judge(bars)


def _parts(data: str) -> Parts:
    """Return training and test part: images (N, H, W, C) uint8, or embeddings."""
    if data not in DATASETS:
        return read_parts(data, images=sys.maxsize)
    source = DATASETS[data](DataConfig(name=data))
    images, test = (part.transpose(0, 2, 3, 1) for part in (source.images, source.test_images[:TEST]))
    return Parts(images, source.labels, test, source.test_labels[:TEST])


def _found(name: str) -> bool:
    try:
        DATASETS[name](DataConfig(name=name))
    except ValueError as error:
        print(f"left out: {str(error).splitlines()[0]}")
        return False
    return True


if __name__ == "__main__":
    main(tyro.cli(Arguments))
