"""Do CoDiM's variants beat cross-entropy on real images? 2,000 images of CIFAR-10 at symmetric .5, on a CPU.

    CODIM_DATA=/folder/of/cifar-10-batches-py python benchmarks/cifar10_methods.py

Each method draws the same number of images, pre-training counted, from the same noisy labels per seed. The budget is
one at which cross-entropy memorises wrong labels: before that there is nothing to prevent. Budget and settings were
chosen with another seed, by memorisation and by the accuracy on other training images with noisy labels; no test image
was read for it. Test accuracy on the 10,000 official test images, mean of the last 5 epochs. Prints the table and
writes it to benchmarks/results/.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
import tyro
from kept import keep
from rich.progress import track
from scipy import stats

from codim.config.train_config import train_config
from codim.data.augment import Augmenter
from codim.data.load import load_data
from codim.evaluation.observer import Observer
from codim.training.loop import run_epochs
from codim.training.state import TrainState

METHODS = ("ce", "dividemix", "codim-self", "codim-sup")
IMAGES = 2_000
LAST = 5


@dataclass
class Arguments:
    """Compare methods on a part of CIFAR-10."""

    samples: int = 80_000
    """Images that one network draws."""
    seeds: int = 3
    """Per method, from 10; of noise, weights and order."""
    workers: int = 2
    """Processes, one thread each."""


def train(method: str, seed: int, samples: int) -> dict[str, Any]:
    """One training; test accuracy in %."""
    torch.set_num_threads(1)
    settings: dict[str, Any] = {
        "method": method,
        "data": {"name": "cifar10", "subset": IMAGES, "val_fraction": 0.0},
        "noise": {"kind": "symmetric", "rate": 0.5, "seed": seed},
        "network": {"name": "small_cnn", "width": 32, "precision": "bf16"},
        # Crops, flips and weight decay keep the small network from memorising for longer than a benchmark lasts.
        "augment": {"crop_padding": 0, "flip": False},
        "warmup": {"epochs": 12},
        # A few hundred steps: too few for DivideMix's strong MixUp and its large weight of guessed labels.
        "mixmatch": {"lambda_u": 5, "alpha": 0.5, "rampup_epochs": 4},
        "optim": {"lr": 0.05, "weight_decay": 0, "step_at": 0.75},
        "train": {"samples": samples, "batch_size": 32, "epoch": "dataset", "seed": seed, "device": "cpu"},
    }
    if method.startswith("codim"):
        settings["pretrain"] = {"epochs": 10, "batch_size": 64, "lr": 0.05, "seed": seed}
    config = train_config(settings)
    data, truth = load_data(config.data, config.noise)
    observer = Observer(data, truth, Augmenter.fit(config.augment, data.images))
    state = TrainState.create(config, data)
    started, test, memorised = time.process_time(), [], 0.0
    for _ in run_epochs(config, data, state):
        if state.evaluation is not None and state.samples >= samples - (LAST + 1) * IMAGES:
            seen = observer.measure(state.networks, state.evaluation, state.divisions)
            test.append(100 * seen.oracle_test_acc)
            memorised = 100 * seen.oracle_memorised
    return {
        "method": method,
        "seed": seed,
        "test_acc": sum(test[-LAST:]) / LAST,
        "memorised": memorised,
        "samples": state.samples,
        "division_auc": seen.oracle_split_auc,
        "seconds": time.process_time() - started,
    }


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % t-interval per method, and of its difference to cross-entropy, paired by seed."""
    base = runs[runs.method == "ce"].set_index("seed").test_acc
    rows = []
    for method, group in runs.groupby("method", sort=False):
        accuracy = group.set_index("seed").test_acc
        low, high = stats.ttest_1samp(accuracy, 0).confidence_interval()
        row = {"method": method, "test accuracy, %": f"{accuracy.mean():.1f} [{low:.1f}, {high:.1f}]"}
        gain = accuracy - base[accuracy.index]
        low, high = stats.ttest_1samp(gain, 0).confidence_interval() if method != "ce" else (0.0, 0.0)
        row |= {"minus ce": f"{gain.mean():+.1f} [{low:+.1f}, {high:+.1f}]" if method != "ce" else ""}
        row |= {
            "memorised, %": f"{group.memorised.mean():.1f}",
            "n": str(len(group)),
            "CPU s": f"{group.seconds.mean():.0f}",
        }
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    jobs = [(method, seed) for seed in range(10, 10 + args.seeds) for method in METHODS]
    with ProcessPoolExecutor(args.workers) as pool:
        futures = [pool.submit(train, method, seed, args.samples) for method, seed in jobs]
        runs = pd.DataFrame([f.result() for f in track(futures, description="trainings")])
    text = (
        f"{summarise(runs).to_markdown(index=False, disable_numparse=True)}\n\n2,000 images of CIFAR-10, symmetric .5, "
        f"small CNN, {args.samples:,} samples, mean of the last {LAST} epochs, 95 % t-intervals."
    )
    keep("cifar10_methods", text, {"runs": runs.to_dict("records")})


if __name__ == "__main__":
    main()
