"""Measure how fast this machine trains, by timing a few steps of each stage."""

import math
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import Tensor

from codim.config.budget import Speed, epoch_images
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData, Truth
from codim.runtime.distributed import broadcast
from codim.training.session import Session
from codim.training.state import TrainState

GLANCE_IMAGES, SLICE_IMAGES = 64, 512
"""Images in a first and a second timing. The second is made if the first shows that it takes at most LONGEST_SECONDS;
otherwise, as with a large network on a CPU, the steps of the first are long enough to be timed."""
LONGEST_SECONDS = 60.0
EPOCHS = 2
"""Epochs per stage; the last one is timed, the first one warms up."""


def measure_speed(
    config: TrainConfig, data: TrainingData, truth: Truth, pretrain: bool = True, cotrain: bool = True
) -> Speed:
    """Time a few steps of each stage, and the observer after each epoch, on a small part of the data, and measure the
    size of a checkpoint. Under torch.distributed all workers call it, and get the first one's times.

    Args:
        pretrain: whether to time the pre-training; 0 seconds otherwise. `cotrain`: likewise.
    """

    def measured(images: int) -> Speed:
        return broadcast(_measured(config, data, truth, images, pretrain, cotrain))

    speed = measured(GLANCE_IMAGES)
    if EPOCHS * SLICE_IMAGES * (speed.pretrain + speed.warmup + speed.cotrain) <= LONGEST_SECONDS:
        speed = measured(SLICE_IMAGES)
    return speed


def _measured(
    config: TrainConfig, whole: TrainingData, whole_truth: Truth, images: int, pretrain: bool, cotrain: bool
) -> Speed:
    part = _slice(whole, images)
    ours, whole_epoch = (epoch_images(config, len(data.train_index)) for data in (part, whole))
    short = config.model_copy(
        update={
            "pretrain": config.pretrain.model_copy(update={"epochs": EPOCHS * pretrain, "lr": 1e-4}),
            "warmup": config.warmup.model_copy(update={"epochs": EPOCHS}),
            # A given labelled set need not fit the part of the data; the steps are the same.
            "divide": config.divide.model_copy(update={"split": "mixture"}),
            "mixmatch": config.mixmatch.model_copy(update={"rampup_epochs": 0}),
            "train": config.train.model_copy(update={"samples": 2**62, "co_training": cotrain, "epoch": "dataset"}),
            # A high learning rate may diverge: that is for the trial to report, not for the timing.
            "optim": config.optim.model_copy(update={"lr": 1e-4}),
        }
    )
    session = Session(short, part, _truth_of(part, whole_truth, ours / whole_epoch))
    session.start()
    seconds: dict[str, float] = {}
    drawn, started = 0, time.perf_counter()
    for row in session.epochs():
        seconds[row["phase"]] = (time.perf_counter() - started) / (row["samples"] - drawn)
        drawn, started = row["samples"], time.perf_counter()
        if row["epoch"] + 1 == EPOCHS * (pretrain + 1 + cotrain):
            break
    per_image = sum(tensor.nbytes for tensor in _of_images(session.state)) / len(part.train_index)
    with tempfile.TemporaryDirectory() as folder:
        session.save(Path(folder, "checkpoint.pt"))
        own = Path(folder, "checkpoint.pt").stat().st_size
    weight = own + per_image * (len(whole.train_index) - len(part.train_index))
    return Speed(seconds.get("pretrain", 0.0), seconds["warmup"], seconds.get("cotrain", 0.0), weight)


def _of_images(state: TrainState) -> list[Tensor]:
    """Return the tensors of a checkpoint that grow with the number of images."""
    own = [getattr(division, f.name) for division in state.divisions for f in fields(division)]
    sums = state.statistics.saved().values()
    return [state.active, *state.loss_history, *sums, *(value for value in own if isinstance(value, Tensor))]


def _slice(data: TrainingData, images: int) -> TrainingData:
    n = min(images, len(data.images))
    index = torch.arange(n, device=data.images.device)
    return replace(
        data,
        images=data.images[:n],
        labels=data.labels[:n],
        train_index=index[: n - n // 8],
        val_index=index[n - n // 8 :],
        trusted=None,
    )


def _truth_of(part: TrainingData, truth: Truth, share: float) -> Truth:
    """Return `truth` for the images of `part`, with a share of the test images: as many per epoch image as in all."""
    n = len(part.images)
    tests = ("test_images", "test_labels", "second_test_images", "second_test_labels")
    parts = {name: getattr(truth, name) for name in tests}
    cut = {name: own[: math.ceil(share * len(own))] for name, own in parts.items() if own is not None}
    return replace(truth, labels=truth.labels[:n], clean=None if truth.clean is None else truth.clean[:n], **cut)
