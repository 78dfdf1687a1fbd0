"""CIFAR-10 in full, in bf16: accuracy over time of three methods at two noise rates.

    CODIM_DATA=/folder/of/cifar-10-batches-py python benchmarks/cifar10_gpu.py --output runs --minutes 9
    python benchmarks/cifar10_gpu.py --output short --short --network airbench --epochs 15 --pretrain-epochs 30 \
        --rates 0.9 0.8 --minutes 8

Each call goes on where the last one stopped: every unfinished run gets an equal share of the minutes, and then a
checkpoint. OUTPUT/METHOD-RATE.jsonl gets a row an epoch: test accuracy and the seconds of training until then. The
reference trains for 300 epochs, after 200 of pre-training with CoDiM; an epoch is counted as 50,000 images that one
network draws. The pre-training never sees a label, so both rates share it.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import torch
import tyro
from kept import keep
from workload import table

from codim.config import methods as presets
from codim.config.budget import pretrain_samples
from codim.config.train_config import TrainConfig, merge, train_config
from codim.data.augment import Augmenter
from codim.data.load import TrainingData, load_data
from codim.evaluation.observer import Observer
from codim.training.checkpoint import InputSpec, has_checkpoint, load_checkpoint, save_checkpoint
from codim.training.loop import run_epochs
from codim.training.state import TrainState

METHODS = ("ce", "dividemix", "codim-sup")
RATES = (0.5, 0.8)
REFERENCE_EPOCHS = 300
LAST = 5
SAVE_SECONDS = 120
SHORT: dict[str, dict[str, Any]] = {
    "train": {"batch_size": 512, "epoch": "dataset"},
    "pretrain": {"batch_size": 512},
    "warmup": {"epochs": 3},
    "divide": {"by_class": True},
    "mixmatch": {"alpha": 1.0, "rampup_epochs": 3},
    "contrastive": {"weight": 0.03, "running_statistics": False},
    "optim": {"lr": 0.16, "schedule": "linear", "warmup": 0.1},  # DivideMix's .02 at batch 64, scaled linearly
}
"""Settings for some 15 epochs instead of the reference's 300."""


@dataclass
class Arguments:
    """Train on CIFAR-10, as far as the time goes."""

    output: Path
    """Folder of rows and checkpoints."""
    minutes: float = 9.0
    """Of this call."""
    epochs: int = REFERENCE_EPOCHS
    """The budget after pre-training, on which the learning rate depends: fewer end the schedule sooner."""
    pretrain_epochs: int = 200
    methods: tuple[str, ...] = METHODS
    rates: tuple[float, ...] = RATES
    device: Literal["cpu", "cuda"] = "cuda"
    precision: Literal["fp32", "bf16"] = "bf16"
    compile: Literal["off", "default", "graphs"] = "off"
    network: str = "preact_resnet18"
    short: bool = False
    """Batches of 512, a linear rate, and the other settings of SHORT, for few `epochs`."""
    data: str = "cifar10"
    """Another one, and a part of it, is for trials."""
    subset: int = 0
    """Images; 0: all."""


@dataclass
class Run:
    """One method at one noise rate, and where it keeps its files."""

    args: Arguments
    method: str
    rate: float

    @property
    def name(self) -> str:
        return f"{self.method}-{self.rate}"

    @property
    def rows(self) -> Path:
        return self.args.output / f"{self.name}.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.args.output / f"{self.name}.pt"

    @property
    def pretrained(self) -> Path:
        return self.args.output / "pretrained.pt"

    def prepare(self) -> tuple[TrainConfig, TrainingData, Observer]:
        args = self.args
        settings: dict[str, Any] = {
            "method": self.method,
            "data": {"name": args.data, "subset": args.subset},
            "noise": {"kind": "symmetric", "rate": self.rate},
            "network": {"name": args.network, "precision": args.precision, "compile": args.compile},
            "train": {"device": args.device},
        }
        if self.method.startswith("codim"):
            settings["pretrain"] = {"epochs": args.pretrain_epochs}
        if args.short:
            settings = merge(merge(SHORT, settings), presets.METHODS[self.method])
        config = train_config(settings)
        data, truth = load_data(config.data, config.noise, args.device)
        budget = args.epochs * len(data.images) + pretrain_samples(config.pretrain, len(data.images))
        settings["train"]["samples"] = budget
        return train_config(settings), data, Observer(data, truth, Augmenter.fit(config.augment, data.images))

    def start(self, config: TrainConfig, data: TrainingData) -> TrainState:
        if has_checkpoint(self.checkpoint):
            return load_checkpoint(self.checkpoint, config, data)
        if config.pretrain.epochs and self.pretrained.exists():
            weights = torch.load(self.pretrained, map_location=data.images.device, weights_only=True)
            return TrainState.create(config, data, weights)
        return TrainState.create(config, data)

    def past(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.rows.read_text().splitlines()] if self.rows.exists() else []

    def finished(self) -> bool:
        past = self.past()
        return bool(past) and past[-1]["finished"]

    def go_on(self, seconds: float) -> None:
        """Train for so long, an epoch at least."""
        began = saved = time.perf_counter()
        config, data, observer = self.prepare()
        state, spec = self.start(config, data), InputSpec.of(data, observer.augmenter)
        # Rows of epochs after the checkpoint will come again.
        past = [row for row in self.past() if row["epoch"] < state.epoch]
        self.rows.write_text("".join(json.dumps(row) + "\n" for row in past))
        spent = past[-1]["seconds"] if past else 0.0
        before = pretrain_samples(config.pretrain, len(data.images))
        for metrics in run_epochs(config, data, state):
            spent += metrics.seconds
            row = asdict(metrics) | {"method": self.method, "rate": self.rate, "seconds": spent}
            row |= {"reference_epochs": max(0.0, (state.samples - before) / len(data.images))}
            row |= {"finished": state.samples >= config.train.samples}
            if state.evaluation is not None:
                row |= asdict(observer.measure(state.networks, state.evaluation, state.divisions))
            with self.rows.open("a") as file:
                file.write(json.dumps({k: None if v != v else v for k, v in row.items()}) + "\n")  # no NaN in JSON
            if metrics.phase == "pretrain" and state.pretraining is None:
                weights = state.networks[0].state_dict()
                torch.save({k: v for k, v in weights.items() if not k.startswith("classifier.")}, self.pretrained)
            now = time.perf_counter()
            over = now - began >= seconds
            if over or row["finished"] or now - saved > SAVE_SECONDS:
                save_checkpoint(self.checkpoint, config, state, spec)
                saved = now
            if over:
                break


def train_all(runs: list[Run], seconds: float) -> None:
    """The unfinished runs, one after the other, each for its share of what is left."""
    end = time.perf_counter() + seconds
    left = [run for run in runs if not run.finished()]
    for number, run in enumerate(left):
        remaining = end - time.perf_counter()
        if remaining <= 0:
            return
        if run.method.startswith("codim") and not run.checkpoint.exists() and not run.pretrained.exists():
            others = [other for other in left[:number] if other.method.startswith("codim")]
            if others:
                print(f"{run.name} waits for the pre-training of {others[0].name}")
                continue
        run.go_on(remaining / (len(left) - number))
        print(f"{run.name}: {_progress(run)}")


def _progress(run: Run) -> str:
    last = run.past()[-1]
    return f"{last['reference_epochs']:.1f} of the reference's {REFERENCE_EPOCHS} epochs after {last['seconds']:.0f} s"


def row_of(run: Run) -> list[str]:
    past = run.past()
    accuracies = [100 * row["oracle_test_acc"] for row in past if "oracle_test_acc" in row]
    last = f"{mean(accuracies[-LAST:]):.2f}" if accuracies else ""
    best = f"{max(accuracies):.2f}" if accuracies else ""
    pretrain = sum(row["phase"] == "pretrain" for row in past)
    epochs = past[-1]["reference_epochs"] if past else 0.0
    minutes = past[-1]["seconds"] / 60 if past else 0.0
    return [run.method, str(run.rate), str(pretrain), f"{epochs:.1f}", f"{minutes:.1f}", last, best]


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    args.output.mkdir(parents=True, exist_ok=True)
    runs = [Run(args, method, rate) for method in args.methods for rate in args.rates]
    train_all(runs, 60 * args.minutes)
    reference = f"epochs, of the reference's {REFERENCE_EPOCHS}"
    head = ["method", "symmetric", "epochs of pre-training", reference, "minutes", f"last {LAST}", "best"]
    text = (
        f"{table(head, [row_of(run) for run in runs])}\n\nTest accuracy in %, clean test images, the two networks' "
        f"ensemble; {args.network}, {args.precision}, compile {args.compile}, learning rate for a budget of "
        f"{args.epochs} epochs. A run without epochs of pre-training took over those of the other rate. "
        "Minutes of training alone."
    )
    columns = ("phase", "seconds", "reference_epochs", "oracle_test_acc")
    content = {"rows": {run.name: [[row.get(c) for c in columns] for row in run.past()] for run in runs}}
    content["columns"] = columns
    keep(f"{args.data}_gpu", text, content, args.device)


if __name__ == "__main__":
    main()
