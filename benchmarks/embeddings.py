"""Embeddings: how fast a training is on many of them, and whether it beats the classifiers that need no study.

    python benchmarks/embeddings.py --quick
    python benchmarks/embeddings.py --embeddings cifar10-squeezenet.npz     # of benchmarks/squeezenet.py

Speed and memory: one epoch of co-training on made embeddings in a .npy, 1,000,000 x 384 (--quick: 60,000, and the time
of a million by proportion), with the default network and settings, and the resident memory of a process that does
nothing else. Accuracy: on the test part of the file, with the default settings of codim-sup, against logistic
regression and kNN whose strength follows from cross-validation on the given labels.
"""

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import tyro
from kept import Bar, finished, judge, keep
from rivals import OURS, difference, plain, symmetric, told

import codim
from codim.config.auto import Counts, resolved

DIM, CLASSES = 384, 10
MILLION = 1_000_000
SECONDS, GIB = 60.0, 6.0
RIVALS = ("logistic regression", "kNN")


@dataclass(frozen=True)
class Run:
    """All classifiers at one noise rate."""

    embeddings: str
    rate: float
    seed: int
    images: int
    passes: int


@dataclass
class Arguments:
    """Train on embeddings."""

    embeddings: Path | None = None
    """A .npz with embeddings, labels and split (train, test); without it only speed is measured."""
    rates: tuple[float, ...] = (0.0, 0.2, 0.5, 0.8)
    images: int = 10_000
    seeds: int = 3
    passes: int = 120
    """Budget of ours, in passes over the embeddings."""
    threads: int = 2
    quick: bool = False
    workers: int = 1
    rows: Path = Path("results/embeddings.jsonl")


def epoch(count: int, threads: int) -> tuple[float, float]:
    """Return the seconds of an epoch of co-training on `count` made embeddings, and the peak memory in GiB."""
    torch.set_num_threads(threads)
    with TemporaryDirectory() as folder:
        path = Path(folder, "made.npy")
        made = np.lib.format.open_memmap(path, "w+", np.float32, (count, DIM))
        rng = np.random.default_rng(0)
        labels = np.arange(count) % CLASSES
        for start in range(0, count, 50_000):
            own = labels[start : start + 50_000]
            made[start : start + len(own)] = rng.standard_normal((len(own), DIM), np.float32) + own[:, None] / CLASSES
        made.flush()
        del made
        np.save(Path(folder, "labels.npy"), labels)
        stages = {"pretrain": {"epochs": 0}, "warmup": {"epochs": 1}, "mixmatch": {"rampup_epochs": 0}}
        own = {"name": "embeddings", "root": str(path), "labels": str(Path(folder, "labels.npy")), "val_fraction": 0.01}
        settings = {"method": "codim-sup", "data": own, **stages, "train": {"samples": 10**9}}
        session = codim.Session.load(codim.train_config(resolved(settings, Counts(count, count, 0, gpu=False))))
        session.start()
        seconds = next(row["seconds"] for row in session.epochs() if row["phase"] == "cotrain")
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def work(run: Run) -> dict[str, Any]:
    """Return test accuracies by name."""
    torch.set_num_threads(1)
    with np.load(run.embeddings, allow_pickle=False) as file:
        vectors, labels, split = file["embeddings"], file["labels"].astype(np.int64), file["split"]
    train, test = np.flatnonzero(split == "train")[: run.images], np.flatnonzero(split == "test")
    given = symmetric(labels[train], run.rate, run.seed)
    budget = {"train": {"samples": run.passes * len(train)}}
    models: dict[str, Any] = {
        OURS: codim.NoisyLabelClassifier(settings=budget, random_state=run.seed),
        **{name: plain(name, run.seed) for name in RIVALS},
    }
    return {name: float(m.fit(vectors[train], given).score(vectors[test], labels[test])) for name, m in models.items()}


def main(args: Arguments) -> None:
    count = 60_000 if args.quick else MILLION
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seconds, gib = pool.submit(epoch, count, args.threads).result()
    seconds *= MILLION / count
    bars = [
        Bar("epoch of 1,000,000 x 384", f"{seconds:.0f} s", f"under {SECONDS:.0f} s", seconds < SECONDS),
        Bar(f"memory of {count:,} x {DIM}", f"{gib:.1f} GiB", f"under {GIB:.0f} GiB", gib < GIB),
    ]
    rows, lines = [], []
    if args.embeddings:
        images, passes, seeds = (2_000, 40, 2) if args.quick else (args.images, args.passes, args.seeds)
        place = str(args.embeddings.absolute())
        runs = [Run(place, rate, seed, images, passes) for rate in args.rates for seed in range(seeds)]
        rows = finished(args.rows, runs, work, args.workers, "training")
        for rate in args.rates:
            own = [row for row in rows if row["rate"] == rate]
            values = {name: [row[name] for row in own] for name in (OURS, *RIVALS)}
            cells = " | ".join(f"{100 * np.mean(value):.1f}" for value in values.values())
            lines.append(f"| symmetric {rate:g} | {cells} |")
            best = max(RIVALS, key=lambda name: np.mean(values[name]))
            gap = difference(values[OURS], values[best])
            held = gap[1] > 0 if rate in (0.5, 0.8) else gap[0] > 0
            needs = "above 0 beyond chance" if rate in (0.5, 0.8) else "above 0"
            bars.append(Bar(f"embeddings, symmetric {rate:g}", f"{told(gap)} to {best}", needs, held))
    head = f"| test accuracy (%) | {' | '.join((OURS, *RIVALS))} |\n| --- |{' --: |' * (1 + len(RIVALS))}"
    speed = f"An epoch of co-training on 1,000,000 x {DIM}: {seconds:.0f} s, {args.threads} threads; {gib:.1f} GiB."
    keep("embeddings", "\n".join([head, *lines, "", speed]), {"rows": rows, "seconds": seconds, "gib": gib})
    judge(bars)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
