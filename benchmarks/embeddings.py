"""Embeddings: how fast a training is on many of them, and whether it beats the classifiers that need no study.

    python benchmarks/embeddings.py --quick
    python benchmarks/embeddings.py --embeddings cifar10-squeezenet.npz     # of benchmarks/squeezenet.py

Speed and memory: one epoch of co-training on made embeddings in a .npy, 1,000,000 x 384 (--quick: 60,000, and the time
of a million by proportion), with the default network and settings, beside the matrix products that its steps need,
timed alone in the same process right after it; and the resident memory of a process that does nothing else.
`--precision bf16` halves the products on a CPU that has them. Accuracy: on the test part of the file, with the default
settings of codim-sup, against logistic regression and kNN whose strength follows from cross-validation on the given
labels.
"""

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from rivals import OURS, difference, plain, read_parts, symmetric, table, told

import codim
from codim.config.auto import Counts, resolved
from codim.config.train_config import TrainConfig

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
    precision: Literal["fp32", "bf16"] = "fp32"
    """Numbers with which the timed epoch is computed."""
    count: int = 0
    """Embeddings in that epoch; 0: a million, or 60,000 with --quick."""
    quick: bool = False
    workers: int = 1
    rows: Path = RESULTS / "embeddings.jsonl"


class Cost(NamedTuple):
    """Cost of an epoch of co-training."""

    seconds: float
    cpu_seconds: float
    """CPU time of all threads, in seconds: what the clock would show on one core that nothing else uses."""
    products: float
    """CPU time of its matrix products alone, in seconds."""
    gib: float
    """Largest resident memory of the process."""


def epoch(count: int, threads: int, precision: str) -> Cost:
    """Train an epoch on `count` made embeddings."""
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
        settings["network"] = {"precision": precision}
        config = codim.train_config(resolved(settings, Counts(count, count, 0, gpu=False)))
        session = codim.Session.load(config)
        session.start()
        rows = session.epochs()
        before = next(rows)["samples"]
        start = time.process_time()
        row = next(rows)
        cpu_seconds = time.process_time() - start
        gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        steps = 2 * (row["samples"] - before) // (2 * config.train.batch_size)
        return Cost(row["seconds"], cpu_seconds, steps * step_products(config), gib)


def step_products(config: TrainConfig, repeats: int = 50) -> float:
    """Return the CPU time of the matrix products of a step, in seconds. They come in threes: 4N views are guessed,
    predicted after MixUp, and have a gradient; the peer guesses 2N; 2N strong ones are encoded, and have a gradient; of
    what the projection head makes of these, there are two gradients."""
    n, width, out = config.train.batch_size, config.network.channels, config.network.projection_dim
    kind = torch.bfloat16 if config.network.precision == "bf16" else torch.float32
    shapes = [(4 * n, DIM, width), (2 * n, DIM, width), (2 * n, width, width), (2 * n, width, out)]
    pairs = [(torch.randn(a, b, dtype=kind), torch.randn(b, c, dtype=kind)) for a, b, c in shapes]
    start = time.process_time()
    for _ in range(3 * repeats):
        for left, right in pairs:
            left @ right
    return (time.process_time() - start) / repeats


def work(run: Run) -> dict[str, Any]:
    """Return test accuracies by name."""
    torch.set_num_threads(1)
    x, labels, test, test_labels = read_parts(run.embeddings, run.images)
    given = symmetric(labels, run.rate, run.seed)
    budget = {"train": {"samples": run.passes * len(x)}}
    models: dict[str, Any] = {
        OURS: codim.NoisyLabelClassifier(settings=budget, random_state=run.seed),
        **{name: plain(name, run.seed) for name in RIVALS},
    }
    return {name: float(model.fit(x, given).score(test, test_labels)) for name, model in models.items()}


def main(args: Arguments) -> None:
    count = args.count or (60_000 if args.quick else MILLION)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        cost = pool.submit(epoch, count, args.threads, args.precision).result()
    seconds, cpu_seconds, products = (MILLION / count * own for own in cost[:3])
    bars = [
        Bar("epoch of 1,000,000 x 384", f"{seconds:.0f} s", f"under {SECONDS:.0f} s", seconds < SECONDS),
        Bar(f"memory of {count:,} x {DIM}", f"{cost.gib:.1f} GiB", f"under {GIB:.0f} GiB", cost.gib < GIB),
    ]
    rows, lines = [], {}
    if args.embeddings:
        images, passes, seeds = (2_000, 40, 2) if args.quick else (args.images, args.passes, args.seeds)
        place = str(args.embeddings)
        runs = [Run(place, rate, seed, images, passes) for rate in args.rates for seed in range(seeds)]
        rows = finished(args.rows, runs, work, args.workers, "training")
        for rate in args.rates:
            own = [row for row in rows if row["rate"] == rate]
            values = lines[f"symmetric {rate:g}"] = {name: [row[name] for row in own] for name in (OURS, *RIVALS)}
            best = max(RIVALS, key=lambda name: np.mean(values[name]))
            gap = difference(values[OURS], values[best])
            held = gap[1] > 0 if rate in (0.5, 0.8) else gap[0] > 0
            needs = "above 0 beyond chance" if rate in (0.5, 0.8) else "above 0"
            bars.append(Bar(f"embeddings, symmetric {rate:g}", f"{told(gap)} to {best}", needs, held))
    speed = (
        f"An epoch of co-training on 1,000,000 x {DIM}, {args.precision}, {args.threads} threads: {seconds:.0f} s "
        f"({cpu_seconds:.0f} s of CPU time, its matrix products alone {products:.0f} s); {cost.gib:.1f} GiB. "
        f"Measured on {count:,}."
    )
    text = f"{table(lines, (OURS, *RIVALS))}\n\n{speed}" if lines else speed
    keep("embeddings", text, {"rows": rows, "cost": cost._asdict(), "embeddings": count})
    judge(bars)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
