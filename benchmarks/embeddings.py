"""Embeddings: how fast a training is on many of them, and whether a study beats the classifiers that need none.

    python benchmarks/embeddings.py --quick
    python benchmarks/embeddings.py --embeddings cifar10-squeezenet.npz     # of benchmarks/squeezenet.py

Speed and memory: one epoch of co-training on made embeddings in a .npy, 1,000,000 x 384 (--quick: 60,000, and the time
of a million by proportion), with the default network and settings, beside the matrix products that its steps need,
timed alone in the same process right after it; and the resident memory of a process that does nothing else.

Accuracy: `search_spaces/embeddings.yaml` on the file, in the folder `--study`, where the same call resumes; then, for
each training that confirms what the study chose, logistic regression and kNN on the same given labels, their strength
from cross-validation on them. Test images are first read here. The study's time is that from its first trial's start to
its last training's end.
"""

import json
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
from rivals import difference, plain, table, told

import codim
from analysis.frames.load import load_trials
from analysis.tables.selection import chosen_by_study, confirmed_trainings
from codim.config.auto import Counts, resolved
from codim.config.data import DataConfig
from codim.config.train_config import TrainConfig
from codim.data.load import load_data
from codim.noise.kinds import NOISE_ADAPTER
from codim.runtime.device import precision_on
from study import run_study

DIM, CLASSES = 384, 10
MILLION = 1_000_000
SECONDS, GIB, MINUTES = 60.0, 6.0, 15.0
STUDIED, RIVALS = "the study's setting", ("logistic regression", "kNN")
CHANCE = ("symmetric-0.5", "symmetric-0.8")
"""Conditions in which the study's setting has to be ahead beyond chance."""


@dataclass(frozen=True)
class Run:
    """The rivals on the labels of one confirming training."""

    condition: str
    data: str
    """Its settings `data` and `noise`, as JSON."""


@dataclass
class Arguments:
    """Train on embeddings."""

    embeddings: Path | None = None
    """A .npz with embeddings, labels and split (train, test); without it only speed is measured."""
    study: Path = Path("results")
    """Folder that receives the study's results."""
    set: tuple[str, ...] = ()
    """Entries that override those of the study file: path/to/entry=value."""
    threads: int = 2
    precision: Literal["auto", "fp32", "bf16"] = "auto"
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
    precision = precision_on(torch.device("cpu"), config.network.precision)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    shapes = [(4 * n, DIM, width), (2 * n, DIM, width), (2 * n, width, width), (2 * n, width, out)]
    pairs = [(torch.randn(a, b, dtype=kind), torch.randn(b, c, dtype=kind)) for a, b, c in shapes]
    start = time.process_time()
    for _ in range(3 * repeats):
        for left, right in pairs:
            left @ right
    return (time.process_time() - start) / repeats


def work(run: Run) -> dict[str, Any]:
    """Return test accuracies of the rivals by name."""
    torch.set_num_threads(1)
    own = json.loads(run.data)
    data, truth = load_data(DataConfig.model_validate(own["data"]), NOISE_ADAPTER.validate_python(own["noise"]))
    parts = (data.images[:], data.labels, truth.test_images[:], truth.test_labels)
    x, given, test, test_labels = (part.numpy() for part in parts)
    return {name: float(plain(name, seed=0).fit(x, given).score(test, test_labels)) for name in RIVALS}


def studied(args: Arguments, embeddings: Path) -> tuple[list[dict[str, Any]], float]:
    """Run the study; return a row of each training that confirms its choice, and the study's minutes."""
    root = f"fixed/data/root={embeddings.absolute()}"
    folder = run_study("embeddings", args.study, changes=[root, *args.set])
    trials = load_trials(folder.root)
    mine, found = chosen_by_study(trials), confirmed_trainings(trials)
    runs, accuracies = list[Run](), list[float]()
    for row in found.to_dict("records"):
        if (row["condition"], row["setting"]) in mine:
            config = json.loads(row["config"])
            runs.append(Run(row["condition"], json.dumps({name: config[name] for name in ("data", "noise")})))
            accuracies.append(row["oracle_test_acc"])
    took = trials.confirmations["ended"].max() - trials.trials["started"].min()
    rows = finished(args.rows, runs, work, args.workers, "rivals")
    both = [row | {"accuracy": accuracy} for row, accuracy in zip(rows, accuracies, strict=True)]
    return both, took.total_seconds() / 60


def main(args: Arguments) -> None:
    count = args.count or (60_000 if args.quick else MILLION)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        cost = pool.submit(epoch, count, args.threads, args.precision).result()
    seconds, cpu_seconds, products = (MILLION / count * own for own in cost[:3])
    bars = [
        Bar("epoch of 1,000,000 x 384", f"{seconds:.0f} s", f"under {SECONDS:.0f} s", seconds < SECONDS),
        Bar(f"memory of {count:,} x {DIM}", f"{cost.gib:.1f} GiB", f"under {GIB:.0f} GiB", cost.gib < GIB),
    ]
    text = (
        f"An epoch of co-training on 1,000,000 x {DIM}, {args.precision}, {args.threads} threads: {seconds:.0f} s "
        f"({cpu_seconds:.0f} s of CPU time, its matrix products alone {products:.0f} s); {cost.gib:.1f} GiB. "
        f"Measured on {count:,}."
    )
    rows, lines = [], {}
    if args.embeddings:
        rows, minutes = studied(args, args.embeddings)
        bars.append(Bar("study of embeddings", f"{minutes:.1f} min", f"under {MINUTES:.0f} min", minutes < MINUTES))
        for condition in dict.fromkeys(row["condition"] for row in rows):
            own = [row for row in rows if row["condition"] == condition]
            values = {STUDIED: [row["accuracy"] for row in own]} | {n: [row[n] for row in own] for n in RIVALS}
            lines[condition] = values
            best = max(RIVALS, key=lambda name: np.mean(values[name]))
            gap = difference(values[STUDIED], values[best])
            held = gap[condition in CHANCE] > 0
            needs = "above 0 beyond chance" if condition in CHANCE else "above 0"
            bars.append(Bar(f"embeddings, {condition}", f"{told(gap)} to {best}", needs, held))
        text = f"{table(lines, (STUDIED, *RIVALS))}\n\nThe study took {minutes:.1f} min.\n\n{text}"
    # `data` has paths of this machine.
    kept = [{name: value for name, value in row.items() if name != "data"} for row in rows]
    keep("embeddings", text, {"rows": kept, "cost": cost._asdict(), "embeddings": count})
    judge(bars)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
