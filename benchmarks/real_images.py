"""Measure what each part is worth on real images: variants of the methods on a part of a data set, one change each.

    CODIM_DATA=/folder/of/the/data python benchmarks/real_images.py --data fashion_mnist --images 2000

All variants of a seed train on the same images with the same noisy labels and draw the same number of samples a
network in stages 1 to 3; pre-training is shared by the variants that have the same, and comes on top (`--counted` takes
it from the budget instead). Variants change the settings of BASE; K is a base of its own. Test accuracy is the mean of
the last 5 epochs on the official test images, which choose nothing. Each training is a line of --rows, and one that is
there is not repeated: the same command resumes. Prints, and keeps in results/, means with 95 % t-intervals over the
seeds, and differences to cross-entropy and to DivideMix with the same base, paired by seed; exits 1 where a bar is
missed.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep, missing
from rich.progress import track
from scipy import stats
from torch import Tensor

from codim.config.budget import pretrain_samples
from codim.config.train_config import TrainConfig, train_config
from codim.evaluation.observer import Observer
from codim.evaluation.predict import predict
from codim.metrics import OracleMetrics
from codim.runtime.tensor_file import read_tensors, write_tensors
from codim.training.loop import run_epochs
from codim.training.pretrain import PretrainState, pretrain_epochs
from codim.training.session import Session

Settings = dict[str, dict[str, Any]]
LAST = 5
BASE: Settings = {
    "network": {"name": "small_cnn", "width": 16},
    "warmup": {"epochs": 4},
    "mixmatch": {"rampup_epochs": 4, "alpha": 4.0, "lambda_u": 25.0},
    "pretrain": {"epochs": 30, "batch_size": 128, "lr": 0.06},
    "optim": {"lr": 0.02, "step_at": 0.5},
    "divide": {"by_class": False, "loss_history": 1},
    "contrastive": {"running_statistics": True},
    "train": {"epoch": "dataset", "batch_size": 64, "device": "cpu"},
}
"""All that a variant changes, so that no data set's own defaults stand beneath."""
BY_DATA: dict[str, Settings] = {
    "digits": {"augment": {"crop_padding": 0, "flip": False, "strong_scale_min": 0.5, "strong_grey": 0}},
    "fashion_mnist": {"augment": {"crop_padding": 2, "strong_scale_min": 0.5, "strong_grey": 0}},
    "cifar10": {},
}
K: Settings = {
    "train": {"batch_size": 32},
    "optim": {"step_at": 0.8},
    "mixmatch": {"alpha": 0.2, "lambda_u": 2.0},
    "contrastive": {"running_statistics": False},
    "divide": {"by_class": True},
}
"""Smaller batches, a later step of the rate, a weaker MixUp and unlabelled loss, strong views beside batch norm's
statistics, and a mixture per class."""
WEAK = {"contrastive": {"weight": 0.03, "sets": "unlabelled"}}


def _merged(*all_settings: Settings) -> Settings:
    merged: Settings = {}
    for settings in all_settings:
        for section, values in settings.items():
            merged[section] = merged.get(section, {}) | values
    return merged


def _without(section: str, setting: str) -> Settings:
    """K with the weak contrastive term, and one setting left as in BASE."""
    rest = {name: {k: v for k, v in own.items() if (name, k) != (section, setting)} for name, own in K.items()}
    return _merged(rest, WEAK)


def _with(changes: Settings) -> Settings:
    """K with the weak contrastive term and changes."""
    return _merged(K, WEAK, changes)


VARIANTS: dict[str, tuple[str, Settings]] = {
    "ce": ("ce", {"train": {"batch_size": 32}, "optim": {"step_at": 0.8}}),
    "ce linear": ("ce", {"train": {"batch_size": 32}, "optim": {"schedule": "linear", "warmup": 0.1}}),
    "ce pre-trained": ("ce", {"train": {"batch_size": 32}, "optim": {"step_at": 0.8}}),
    "dividemix": ("dividemix", {}),
    "dividemix K": ("dividemix", K),
    "c2d K": ("c2d", K),
    "codim-sup": ("codim-sup", {}),
    "codim-sup K": ("codim-sup", _with({})),
    "codim-self K": ("codim-self", _with({})),
    "codim-sup K, batch 64": ("codim-sup", _without("train", "batch_size")),
    "codim-sup K, step at .5": ("codim-sup", _without("optim", "step_at")),
    "codim-sup K, alpha 4": ("codim-sup", _without("mixmatch", "alpha")),
    "codim-sup K, lambda_u 25": ("codim-sup", _without("mixmatch", "lambda_u")),
    "codim-sup K, statistics of strong views": ("codim-sup", _without("contrastive", "running_statistics")),
    "codim-sup K, one mixture": ("codim-sup", _without("divide", "by_class")),
    "codim-sup K, on both sets": ("codim-sup", _with({"contrastive": {"sets": "both"}})),
    "c2d K, rate .05": ("c2d", _merged(K, {"optim": {"lr": 0.05}})),
    "ce, rate .05": ("ce", {"train": {"batch_size": 32}, "optim": {"step_at": 0.8, "lr": 0.05}}),
    "codim-sup K, linear rate": ("codim-sup", _with({"optim": {"schedule": "linear", "warmup": 0.1}})),
}
"""Name -> method and the settings it changes. "ce pre-trained" starts from the encoder of c2d."""


@dataclass
class Arguments:
    """Compare variants of the methods on real images."""

    data: Literal["digits", "fashion_mnist", "cifar10"] = "fashion_mnist"
    """Data set, below CODIM_DATA."""
    images: int = 2_000
    """Training images, all of them trained on."""
    samples: int = 40_000
    """Images that one network draws in stages 1 to 3."""
    counted: bool = False
    """Take the samples of pre-training from that budget."""
    noise: tuple[str, ...] = ("symmetric:0.5", "symmetric:0.8")
    """Noise levels, as kind:rate."""
    halved: bool = False
    """Average 2x2 pixels of each image: four times as fast."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Variants to train."""
    seeds: int = 3
    """Trainings of each, from seed 0: of noise, weights and order."""
    network: str = "small_cnn"
    """Encoder."""
    width: int = 16
    """Its channels in the first stage."""
    rows: Path = RESULTS / "real_images.jsonl"
    """Finished trainings, a line each."""
    stages: Path = Path("results/real_images")
    """Folder of the pre-trained encoders."""
    workers: int = 2
    """Processes, one thread each."""
    quick: bool = False
    """Two seeds of 1,000 images at half their size, 20 passes, `ce`, DivideMix and CoDiM, symmetric .8: ten minutes."""

    def __post_init__(self) -> None:
        if self.quick:
            self.images, self.samples, self.halved, self.seeds = 1_000, 20_000, True, 2
            self.noise, self.variants = ("symmetric:0.8",), ("ce", "dividemix K", "codim-sup K")


@dataclass(frozen=True)
class Run:
    """One training."""

    data: str
    images: int
    samples: int
    counted: bool
    network: str
    width: int
    noise: str
    variant: str
    seed: int
    halved: bool = False

    def load(self) -> Session:
        session = Session.load(self.config())
        if not self.halved:
            return session
        assert session.truth
        data = replace(session.data, images=_half(session.data.images))
        return Session(session.config, data, replace(session.truth, test_images=_half(session.truth.test_images)))

    def config(self) -> TrainConfig:
        method, changes = VARIANTS[self.variant]
        pre_trained = self.variant == "ce pre-trained"
        kind, rate = self.noise.split(":")
        own: list[Settings] = [
            BASE,
            BY_DATA[self.data],
            changes,
            {
                "data": {"name": self.data, "subset": self.images, "val_fraction": 0.0},
                "noise": {"kind": kind, "rate": float(rate), "seed": self.seed}
                | ({"map": self.data} if kind == "asymmetric" else {}),
                "network": {"name": self.network, "width": self.width},
                "train": {"seed": self.seed},
                "pretrain": {"seed": self.seed},
            },
        ]
        merged: dict[str, Any] = _merged(*own)
        if pre_trained:
            merged["train"]["co_training"] = False
        else:
            merged["method"] = method
        if method in ("ce", "dividemix") and not pre_trained:
            del merged["pretrain"]
        without = train_config({**merged, "train": {**merged["train"], "samples": 10**9}})
        before = 0 if self.counted else pretrain_samples(without.pretrain, self.images)
        merged["train"]["samples"] = self.samples + before
        return train_config(merged)

    @property
    def encoder(self) -> str:
        """File of the pre-trained encoder."""
        size = "-halved" * self.halved
        return f"{self.data}-{self.images}-{self.network}-{self.width}-{self.seed}{size}.pt"


def _half(images: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(images.float(), 2).round().to(torch.uint8)


def pretrain(run: Run, path: Path) -> None:
    torch.set_num_threads(1)
    session = run.load()
    config, images = session.config, session.data.images
    state = PretrainState.create(config.pretrain, config.network, images, len(session.data.classes))
    for _ in pretrain_epochs(config.pretrain, images, session.augmenter, state):
        pass
    write_tensors(path, state.result())


def train(run: Run, stages: Path) -> dict[str, Any]:
    """Train; return what was measured, accuracies in %."""
    torch.set_num_threads(1)
    session = run.load()
    config, truth = session.config, session.truth
    assert truth
    session.start(read_tensors(stages / run.encoder) if config.pretrain.epochs else None)
    observer = Observer(session.data, truth, session.augmenter)
    state, started, seen = session.state, time.process_time(), list[OracleMetrics]()
    for _ in run_epochs(config, session.data, state):
        if state.evaluation is not None and state.samples >= config.train.samples - (LAST + 1) * run.images:
            seen.append(observer.measure(state.networks, state.evaluation, state.divisions))
    found = predict(state.networks, truth.test_images, session.augmenter).sum(0).argmax(1)
    right = (found == truth.test_labels).float()
    recall = [right[truth.test_labels == k].mean().item() for k in range(len(session.data.classes))]
    last = seen[-LAST:]
    return {
        "test_acc": 100 * sum(row.oracle_test_acc for row in last) / len(last),
        "worst_recall": 100 * min(recall),
        "memorised": 100 * last[-1].oracle_memorised,
        "division_auc": last[-1].oracle_split_auc,
        "epochs": state.epoch,
        "seconds": time.process_time() - started,
    }


def summarise(rows: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Mean and 95 % t-interval of each variant, and of its differences to ce and DivideMix, paired by seed."""
    for noise, level in rows.groupby("noise", sort=False):
        accuracy = level.pivot_table(index="seed", columns="variant", values="test_acc")
        for variant, group in level.groupby("variant", sort=False):
            row = {"noise": str(noise), "variant": str(variant), "test accuracy, %": interval(group.test_acc)}
            for rival in ("ce", "dividemix", "dividemix K", "c2d K"):
                paired = (accuracy[variant] - accuracy[rival]).dropna() if rival in accuracy else pd.Series(dtype=float)
                row[f"minus {rival}"] = interval(paired, "+") if len(paired) and rival != variant else ""
            row |= {
                "worst class": f"{group.worst_recall.mean():.0f}",
                "division AUC": f"{group.division_auc.mean():.3f}",
                "CPU s": f"{group.seconds.mean():.0f}",
                "n": str(len(group)),
            }
            yield row


def bars(rows: pd.DataFrame) -> Iterator[Bar]:
    """Bars that the rows can tell: CoDiM above all rivals at symmetric .8 and .9, not a point below DivideMix
    elsewhere."""
    for noise, level in rows.groupby("noise", sort=False):
        accuracy = level.pivot_table(index="seed", columns="variant", values="test_acc")
        high = noise in ("symmetric:0.8", "symmetric:0.9")
        for codim in ("codim-sup K", "codim-self K"):
            for rival in ("ce", "ce pre-trained", "dividemix K") if high else ("dividemix K",):
                if {codim, rival} <= {*accuracy} and len(accuracy) > 1:
                    gain = (accuracy[codim] - accuracy[rival]).dropna()
                    low = stats.ttest_1samp(gain, 0).confidence_interval().low
                    held = low > 0 if high else gain.mean() >= -1
                    needs = "an interval above 0" if high else "-1 or more"
                    yield Bar(f"{noise}, {codim} over {rival}", interval(gain, "+"), needs, bool(held))


def interval(values: pd.Series, sign: str = "") -> str:
    if len(values) < 2:
        return f"{values.mean():{sign}.1f}"
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    return f"{values.mean():{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    runs = [
        Run(
            args.data,
            args.images,
            args.samples,
            args.counted,
            args.network,
            args.width,
            noise,
            variant,
            seed,
            args.halved,
        )
        for seed in range(args.seeds)
        for noise in args.noise
        for variant in args.variants
    ]
    args.stages.mkdir(parents=True, exist_ok=True)
    encoders = {run.encoder: run for run in missing(args.rows, runs) if run.config().pretrain.epochs}
    with ProcessPoolExecutor(args.workers) as pool:
        stages = [
            pool.submit(pretrain, run, args.stages / name)
            for name, run in encoders.items()
            if not (args.stages / name).exists()
        ]
        for stage in track(stages, description="pre-trainings"):
            stage.result()
    rows = pd.DataFrame(finished(args.rows, runs, partial(train, stages=args.stages), args.workers, "trainings"))
    text = pd.DataFrame(summarise(rows)).to_markdown(index=False, disable_numparse=True)
    counted = "counted" if args.counted else "not counted"
    what = f"{args.images:,} images, {args.samples:,} samples, pre-training {counted}, {args.network} of {args.width}"
    keep(
        f"real_images-{args.data}-{args.images}" + "-halved" * args.halved,
        f"{text}\n\n{args.data}, {what}.",
        {"runs": rows.to_dict("records")},
    )
    judge(bars(rows))


if __name__ == "__main__":
    main()
