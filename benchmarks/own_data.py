"""Are the defaults for own images ever worse than plain cross-entropy? A grid over noise, number of images and balance.

    CODIM_DATA=/folder/of/the/data python benchmarks/own_data.py --images 500 2000

Each cell is a folder of PNG files with a folder per given label, made from Fashion-MNIST or CIFAR-10, on which every
method trains with the settings that `python -m codim` computes for it: the same number of samples a network,
pre-training included. `ce early` is the epoch of `ce` that is best on the held-out images, by their given labels. A
long tail has ten times as many images of the most frequent class as of the least frequent. Test images are as many of
each class, so that accuracy on them is balanced accuracy; they are read after the last epoch, and choose nothing.

Each training is a line of --rows, and one that is there is not repeated: the same command resumes. Prints the accuracy
of each cell and the differences to `ce`, keeps them in results/, and exits 1 where a bar is missed.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from PIL import Image
from scipy import stats
from torch import Tensor

from codim.config.data import DataConfig
from codim.config.train_config import train_config
from codim.data.counts import with_counts
from codim.data.load import load_data
from codim.evaluation.predict import predict
from codim.noise.base import NoNoise
from codim.noise.kinds import NOISE_ADAPTER
from codim.training.loop import run_epochs
from codim.training.session import Session

TEST_IMAGES = 2_000
TAIL = 10
"""Images of the most frequent class for each of the least frequent."""
GAINS_AT = ("symmetric:0.5", "symmetric:0.8")
LEAST_GAIN = 3
"""Points of accuracy over `ce` that a method has to gain there, in the mean."""
MOST_LOSS = 1
"""Points that it may lose to `ce` in any cell."""


@dataclass
class Arguments:
    """Compare the methods with the defaults for own images."""

    data: tuple[str, ...] = ("fashion_mnist", "cifar10")
    """Data sets, below CODIM_DATA."""
    images: tuple[int, ...] = (500,)
    """Numbers of images; a fifth of them is held out as validation part."""
    noise: tuple[str, ...] = ("none:0", "symmetric:0.2", "symmetric:0.5", "symmetric:0.8", "asymmetric:0.4")
    """Noise levels, as kind:rate."""
    balance: tuple[Literal["balanced", "long tail"], ...] = ("balanced", "long tail")
    methods: tuple[str, ...] = ("ce", "dividemix", "codim-sup")
    """Methods, `ce` among them."""
    seeds: int = 3
    """Trainings of each, from seed 0: of images, noise, weights and order."""
    samples: int | None = None
    """Images that one network draws; None: as computed for own images."""
    rows: Path = RESULTS / "own_data.jsonl"
    """Finished trainings, a line each."""
    workers: int = 2
    """Processes, one thread each."""
    quick: bool = False
    """One seed of 300 balanced images of Fashion-MNIST at three noise levels, and half the samples: ten minutes."""

    def __post_init__(self) -> None:
        if self.quick:
            self.data, self.images, self.balance, self.seeds = ("fashion_mnist",), (300,), ("balanced",), 1
            self.noise, self.samples = ("none:0", *GAINS_AT), 18_000


@dataclass(frozen=True)
class Run:
    """One training."""

    data: str
    images: int
    noise: str
    balance: str
    method: str
    seed: int
    samples: int | None
    """Budget; None: computed from the data."""


def train(run: Run) -> dict[str, Any]:
    """Train; return what was measured, accuracies in %; of `ce` also, as `early`, that of `ce early`."""
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="own-data-"))
    try:
        write_folder(run, folder)
        settings: dict[str, Any] = {
            "method": run.method,
            "data": {"name": "folder", "root": str(folder), "cache": str(folder / "cache")},
            "train": {"seed": run.seed, "device": "cpu"} | ({"samples": run.samples} if run.samples else {}),
        }
        return measure(run, Session.load(train_config(with_counts(settings, gpu=False))))
    finally:
        shutil.rmtree(folder)


def measure(run: Run, session: Session) -> dict[str, Any]:
    session.start()
    truth, started, best, early = session.truth, time.process_time(), -1.0, None
    assert truth
    for metrics in run_epochs(session.config, session.data, session.state):
        if run.method == "ce" and metrics.val_acc > best:
            best, early = metrics.val_acc, tested(session)
    return scores(tested(session), truth.test_labels) | {
        "epochs": session.state.epoch,
        "network": session.config.network.name,
        "seconds": time.process_time() - started,
        "early": None if early is None else scores(early, truth.test_labels),
    }


def tested(session: Session) -> Tensor:
    """Classes (M,) that both networks together predict for the test images."""
    assert session.truth
    return predict(session.state.networks, session.truth.test_images, session.augmenter).sum(0).argmax(1)


def scores(found: Tensor, labels: Tensor) -> dict[str, float]:
    right = (found == labels).double()
    recall = [right[labels == k].mean().item() for k in labels.unique()]
    return {"accuracy": 100 * sum(recall) / len(recall), "worst_recall": 100 * min(recall)}


def write_folder(run: Run, folder: Path) -> None:
    """Write the images of a run as PNG files, `train` by given and `test` by true label."""
    data, truth = load_data(DataConfig(name=run.data, val_fraction=0), NoNoise())
    rng = np.random.default_rng([11, run.seed])
    rows = chosen_rows(data.labels.numpy(), run.images, TAIL if run.balance == "long tail" else 1, rng)
    true = data.labels.numpy()[rows]
    images = data.images[torch.from_numpy(rows)].numpy()
    kind, rate = run.noise.split(":")
    noise = NOISE_ADAPTER.validate_python(
        {"kind": kind}
        | ({"rate": float(rate), "seed": run.seed} if kind != "none" else {})
        | ({"map": run.data} if kind == "asymmetric" else {})
    )
    given = noise.apply(true, len(data.classes), images)
    known = truth.test_labels.numpy()
    tests = chosen_rows(known, min(TEST_IMAGES, len(known) // 2), 1, np.random.default_rng(0))
    parts = {
        "train": (images, given),
        "test": (truth.test_images[torch.from_numpy(tests)].numpy(), known[tests]),
    }
    for part, (pixels, labels) in parts.items():
        for k in range(len(data.classes)):
            (folder / part / f"class{k}").mkdir(parents=True)
        for i, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            array = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            Image.fromarray(array).save(folder / part / f"class{label}" / f"{i:05}.png")


def chosen_rows(labels: Any, images: int, tail: float, rng: np.random.Generator) -> Any:
    """Draw `images` rows, whose classes, in random order, become rarer by a factor `tail` from first to last."""
    classes = labels.max() + 1
    share = tail ** -(np.arange(classes) / (classes - 1))
    counts = np.round(images * share / share.sum()).astype(int)
    counts[0] += images - counts.sum()
    order = rng.permutation(classes)
    own = [rng.choice(np.flatnonzero(labels == k), counts[i], replace=False) for i, k in enumerate(order)]
    return np.sort(np.concatenate(own))


CELL = ["data", "images", "noise", "balance"]


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each method minus that of `ce` of the same cell and seed, a row each."""
    ce = rows[rows.method == "ce"].set_index([*CELL, "seed"]).accuracy
    other = rows[rows.method != "ce"].set_index([*CELL, "seed", "method"])
    return (other.accuracy - ce).rename("gain").reset_index()


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a cell: accuracy of `ce`, and what each other method has more, with its worst class's recall."""
    found = []
    for cell, group in rows.groupby(CELL, sort=False):
        row: dict[str, Any] = dict(zip(CELL, cell, strict=True))
        gains = differences(group)
        for method, own in group.groupby("method", sort=False):
            value = f"{own.accuracy.mean():.1f}" if method == "ce" else interval(gains[gains.method == method].gain)
            row[str(method)] = f"{value} ({own.worst_recall.min():.0f})"
        found.append(row | {"n": group.seed.nunique()})
    return pd.DataFrame(found)


def interval(values: pd.Series) -> str:
    """Mean and 95 % t-interval."""
    if len(values) < 2:
        return f"{values.mean():+.1f}"
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    return f"{values.mean():+.1f} [{low:+.1f}, {high:+.1f}]"


def bars(rows: pd.DataFrame) -> Iterator[Bar]:
    """Bars that the rows can tell."""
    gains = differences(rows[rows.method != "ce early"])
    cells = gains.groupby([*CELL, "method"], sort=False).gain.mean()
    least, where = cells.min(), ", ".join(map(str, cells.idxmin()))
    yield Bar("worst cell", f"{least:+.1f} ({where})", f">= -{MOST_LOSS}", least >= -MOST_LOSS)
    for method, own in gains[gains.noise.isin(GAINS_AT)].groupby("method", sort=False):
        held = own.gain.mean() >= LEAST_GAIN
        yield Bar(f"gain of {method} at {' and '.join(GAINS_AT)}", interval(own.gain), f">= {LEAST_GAIN}", held)
    tailed = rows[(rows.balance == "long tail") & (rows.method != "ce early")]
    for method, own in tailed[tailed.method != "ce"].groupby("method", sort=False):
        lowest, gain = own.worst_recall.min(), gains[(gains.balance == "long tail") & (gains.method == method)].gain
        yield Bar(f"long tail, worst recall of {method}", f"{lowest:.1f}", "> 0", lowest > 0)
        yield Bar(f"long tail, balanced accuracy of {method} over ce", interval(gain), "> 0", gain.mean() > 0)


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    runs = [
        Run(data, images, noise, balance, method, seed, args.samples)
        for seed in range(args.seeds)
        for images in args.images
        for data in args.data
        for noise in args.noise
        for balance in args.balance
        for method in args.methods
    ]
    found = finished(args.rows, runs, train, args.workers, "trainings")
    early = [row | row["early"] | {"method": "ce early"} for row in found if row["early"]]
    rows = pd.DataFrame(found + early).drop(columns="early")
    text = table(rows).to_markdown(index=False, disable_numparse=True)
    keep("own_data" + "-quick" * args.quick, text, {"runs": rows.to_dict("records")})
    judge(bars(rows))


if __name__ == "__main__":
    main()
