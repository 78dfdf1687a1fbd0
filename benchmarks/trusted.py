"""What are a few trusted labels worth beside many noisy ones?

    python benchmarks/trusted.py --embeddings cifar10-squeezenet.npz        # of benchmarks/squeezenet.py
    python benchmarks/trusted.py --quick --embeddings ...

40% of the labels are drawn anew (symmetric), but not those of `--per-class` trusted images of each class. Three
trainings on the same embeddings and seeds: with the trusted labels told (`data/trusted`), with the same labels untold,
and by cross-entropy on the trusted images alone. The figure is accuracy on the test part after the last epoch.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from rivals import difference, read_parts, symmetric, table, told

import codim
from codim.config.auto import Counts, resolved

RATE = 0.4
WAYS: tuple[Literal["told", "untold", "alone"], ...] = ("told", "untold", "alone")


@dataclass(frozen=True)
class Run:
    """One training."""

    embeddings: str
    way: Literal["told", "untold", "alone"]
    seed: int
    images: int
    per_class: int
    passes: int


@dataclass
class Arguments:
    """Train with trusted labels."""

    embeddings: Path
    images: int = 10_000
    per_class: int = 100
    passes: int = 120
    seeds: int = 5
    quick: bool = False
    workers: int = 2
    rows: Path = RESULTS / "trusted.jsonl"


def work(run: Run) -> dict[str, Any]:
    """Return the test accuracy."""
    torch.set_num_threads(1)
    x, labels, test, test_labels = read_parts(run.embeddings, run.images)
    rng = np.random.default_rng(run.seed)
    own = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    trusted = np.sort(np.concatenate([rng.permutation(members)[: run.per_class] for members in own]))
    given = symmetric(labels, RATE, run.seed)
    given[trusted] = labels[trusted]
    chosen = trusted if run.way == "alone" else np.arange(len(x))
    marks = np.isin(chosen, trusted) & (run.way == "told")
    with TemporaryDirectory() as folder:
        np.savez(
            Path(folder, "x.npz"),
            embeddings=np.concatenate([x[chosen], test]),
            labels=np.concatenate([given[chosen], test_labels]),
            split=np.repeat(["train", "test"], [len(chosen), len(test)]),
            trusted=np.concatenate([marks, np.zeros(len(test), dtype=bool)]),
        )
        settings = {
            "method": "ce" if run.way == "alone" else "codim-sup",
            "data": {"name": "embeddings", "root": str(Path(folder, "x.npz")), "val_fraction": 0.0},
            "train": {"samples": run.passes * len(x), "seed": run.seed},
        }
        count = len(chosen)
        session = codim.Session.load(codim.train_config(resolved(settings, Counts(count, count, 0, gpu=False))))
        session.start()
        *_, last = session.epochs()
    return {"accuracy": last["oracle_test_acc"]}


def main(args: Arguments) -> None:
    images, passes, seeds = (3_000, 20, 3) if args.quick else (args.images, args.passes, args.seeds)
    place = str(args.embeddings)
    runs = [Run(place, way, seed, images, args.per_class, passes) for seed in range(seeds) for way in WAYS]
    rows = finished(args.rows, runs, work, args.workers, "training")
    found = {way: [row["accuracy"] for row in rows if row["way"] == way] for way in WAYS}
    caption = (
        f"{args.per_class} trusted labels per class of {images}, {RATE:.0%} of the others drawn anew; {seeds} seeds."
    )
    name = f"symmetric {RATE:g}"
    keep("trusted", f"{table({name: found}, WAYS)}\n\n{caption}", {"rows": rows})
    gaps = {way: difference(found["told"], found[way]) for way in WAYS[1:]}
    judge(Bar(f"trusted, to {way}", told(gap), "above 0 beyond chance", gap[1] > 0) for way, gap in gaps.items())


if __name__ == "__main__":
    main(tyro.cli(Arguments))
