"""How often the interval of `python -m analysis recommend` holds the share of wrong labels.

    CODIM_DATA=/folder/of/the/data python benchmarks/noise_interval.py --cases 220

Each case draws at random: digits or Fashion-MNIST, 3, 5 or 10 of the classes, 150 to 1,200 images, evenly or 10:1 from
the most to the least frequent class, pixel noise, symmetric noise of at most .7 or pair noise of .1 to .4, and 4, 10 or
25 epochs; then it predicts out of fold as `python -m codim crossval`. So the networks are right on a quarter to all of
the images. Each case is a line of --rows, and one that is there is not repeated.
"""

import contextlib
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from scipy.stats import binomtest

from analysis.advice.noise_rate import estimate
from codim.commands.crossval import out_of_fold
from codim.config.data import DataConfig
from codim.config.methods import METHODS
from codim.config.train_config import merge, train_config
from codim.data.load import load_data
from codim.noise.base import NoNoise

COVERAGE = 0.95
"""Share of the cases in which the interval has to hold the rate."""
WEAK = 0.6
"""Accuracy on true labels below which a network counts as weak."""
MOST = 0.9
"""Highest rate, as a share of that at which labels say nothing of the class, 1 - 1/K."""
FEWEST = 4
"""Given labels of each class without which a case is not counted: one a fold."""


@dataclass
class Arguments:
    """Measure the coverage of the estimated noise rate."""

    cases: int = 220
    first: int = 1_000
    """Seed of the first case; AGREEMENT_POWER (analysis/advice/noise_rate.py) was chosen on seeds below 90."""
    data: tuple[str, ...] = ("digits", "digits", "fashion_mnist")
    """Data sets to draw from."""
    rows: Path = RESULTS / "noise_interval.jsonl"
    """Finished cases, a line each."""
    workers: int = 2
    """Processes, one thread each."""


@dataclass(frozen=True)
class Case:
    """One draw."""

    seed: int
    names: str
    """Data sets to draw from, with commas between."""


def measure(case: Case) -> dict[str, Any]:
    """Return the facts and the estimate of one case; `counted` is false where a class has too few labels."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([7, case.seed])
    name = str(rng.choice(case.names.split(",")))
    classes, tail = int(rng.choice([3, 5, 10])), bool(rng.random() < 0.3)
    count = min(int(rng.choice([150, 300, 600, 1200])), 1200 if name == "digits" else 600)
    blur = float(rng.choice([0, 30, 60, 120] if name == "digits" else [0, 40]))
    subset = 0 if name == "digits" else 6_000
    data, _ = load_data(DataConfig(name=name, subset=subset, val_fraction=0), NoNoise())
    kept = np.sort(rng.choice(len(data.classes), classes, replace=False))
    of_kept = np.flatnonzero(np.isin(data.labels.numpy(), kept))
    labels = np.searchsorted(kept, data.labels.numpy()[of_kept])
    share = 10.0 ** (-labels / (classes - 1)) if tail else np.ones(len(labels))
    rows = rng.choice(len(labels), min(count, len(labels) // (2 if tail else 1)), replace=False, p=share / share.sum())
    true, images = labels[rows], data.images[of_kept[rows]]
    pixels = images.float() + blur * torch.from_numpy(rng.normal(size=tuple(images.shape))).float()
    symmetric = rng.random() < 2 / 3
    rates = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7] if symmetric else [0.1, 0.2, 0.3, 0.4]
    rate = float(rng.choice([rate for rate in rates if rate <= MOST * (1 - 1 / classes)]))
    others = (true + (rng.integers(1, classes, len(true)) if symmetric else 1)) % classes
    given = np.where(rng.random(len(true)) < rate, others, true)
    settings: dict[str, Any] = {
        "data": {"name": name},
        "network": {"name": "small_cnn", "width": 16},
        "warmup": {"epochs": int(rng.choice([4, 10, 25]))},
        "optim": {"lr": 0.05},
        "train": {"batch_size": 32, "device": "cpu"},
    }
    facts = {
        "data": name,
        "images": len(true),
        "classes": classes,
        "tail": tail,
        "symmetric": symmetric,
    }
    if min(np.bincount(given, minlength=classes)) < FEWEST:
        return facts | {"counted": False}
    part = replace(
        data,
        images=pixels.clamp(0, 255).to(torch.uint8),
        labels=torch.from_numpy(given),
        train_index=torch.arange(len(true)),
        val_index=torch.arange(0),
        classes=tuple(map(str, kept)),
    )
    with contextlib.redirect_stderr(io.StringIO()):
        found = out_of_fold(train_config(merge(settings, METHODS["ce"])), part, part.train_index, 4).numpy()
    mean, predicted = found.mean(0).astype(float), found.argmax(2)
    told = estimate(given, mean, agree=predicted[0] == predicted[1]).rate
    return facts | {
        "counted": True,
        "rate": float((given != true).mean()),
        "accuracy": float((mean.argmax(1) == true).mean()),
        "agreement": float((predicted[0] == predicted[1]).mean()),
        "value": told.value,
        "low": told.low,
        "high": told.high,
    }


def summary(cases: pd.DataFrame) -> pd.DataFrame:
    groups = {
        "all": cases.index >= 0,
        f"accuracy below {WEAK:g}": cases.accuracy < WEAK,
        f"accuracy of {WEAK:g} or more": cases.accuracy >= WEAK,
        "up to 300 images": cases.images <= 300,
        "long tail": cases["tail"],
        "pair noise": ~cases.symmetric,
    }
    rows = []
    for name, chosen in groups.items():
        own = cases[chosen]
        if own.empty:
            continue
        held = (own.low <= own.rate + 1e-9) & (own.rate <= own.high + 1e-9)
        low, high = binomtest(int(held.sum()), len(own)).proportion_ci(method="wilson")
        rows.append(
            {
                "cases": name,
                "n": len(own),
                "held": f"{held.mean():.3f} [{low:.3f}, {high:.3f}]",
                "too high": int((own.low > own.rate + 1e-9).sum()),
                "too low": int((own.high < own.rate - 1e-9).sum()),
                "mean width": f"{(own.high - own.low).mean():.2f}",
                "mean error of the value": f"{(own.value - own.rate).abs().mean():.3f}",
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    cases = [Case(seed, ",".join(args.data)) for seed in range(args.first, args.first + args.cases)]
    rows = finished(args.rows, cases, measure, args.workers, "cases")
    counted = pd.DataFrame([row for row in rows if row["counted"]])
    table = summary(counted)
    kept = {"cases": counted.to_dict("records")}
    keep("noise_interval", table.to_markdown(index=False, disable_numparse=True), kept)
    held = float(((counted.low <= counted.rate + 1e-9) & (counted.rate <= counted.high + 1e-9)).mean())
    judge([Bar("noise interval", str(table.held[0]), f"{COVERAGE:g}", held >= COVERAGE)])


if __name__ == "__main__":
    main()
