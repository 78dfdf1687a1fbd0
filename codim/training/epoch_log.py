"""Log of an epoch: sums over its steps, and the row of metrics made from them and the state."""

import math
from collections.abc import Mapping
from dataclasses import fields

import torch
from torch import Tensor

from codim.config.budget import Milestones
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.division.divide import SEVERITY, loss_histogram
from codim.evaluation.evaluate import NAN
from codim.metrics import EpochMetrics, Phase
from codim.runtime.distributed import mean
from codim.training.schedules import learning_rate, ramp_up
from codim.training.state import TrainState

NO_TERMS: Mapping[str, Tensor] = {}
LOSSES = [field.name for field in fields(EpochMetrics) if field.name.startswith("loss") and field.type is float]


class Progress:
    """Learning rate and lambda_u of one epoch as functions of the samples drawn, and the sums of its losses."""

    def __init__(self, config: TrainConfig, marks: Milestones, images: int) -> None:
        """`images`: number of images of the training part in one epoch."""
        self.config, self.marks, self.images = config, marks, images
        self.sums: Tensor | None = None
        self.names: list[str] = []
        self.steps = 0
        self.lr, self.lambda_u = NAN, NAN

    def lr_at(self, samples: int) -> float:
        budget = self.config.train.samples - self.marks.pretrain
        self.lr = learning_rate(self.config.optim, (samples - self.marks.pretrain) / budget)
        return self.lr

    def lambda_u_at(self, samples: int) -> float:
        epochs = (samples - self.marks.warmup) / self.images
        self.lambda_u = self.config.mixmatch.lambda_u * ramp_up(epochs, self.config.mixmatch.rampup_epochs)
        return self.lambda_u

    def add(self, total: Tensor, terms: Mapping[str, Tensor] = NO_TERMS) -> None:
        """Add the loss of one step and its terms by name."""
        losses = torch.stack([total, *terms.values()]).detach()
        self.sums = losses if self.sums is None else self.sums + losses
        self.names = ["loss", *(f"loss_{name}" for name in terms)]
        self.steps += 1

    def means(self, epoch: int) -> dict[str, float]:
        """Return the mean loss and its terms, per step and over the workers, by the names of EpochMetrics."""
        assert self.sums is not None
        means: list[float] = mean(self.sums / self.steps).tolist()
        if not all(map(math.isfinite, means)):
            raise FloatingPointError(
                f"the training loss became {means[0]} in epoch {epoch}; a smaller optim/lr may help"
            )
        return dict(zip(self.names, means, strict=True))


def epoch_metrics(
    phase: Phase, data: TrainingData, state: TrainState, progress: Progress, losses: Mapping[str, float], seconds: float
) -> EpochMetrics:
    """Return the row of the epoch that has just ended. `losses`: as `Progress.means` gives them."""
    seen = state.evaluation
    divisions = state.divisions if phase == "cotrain" else []
    missing = 0
    for division in divisions:
        given = data.labels[division.index]
        missing = max(missing, given.unique().numel() - given[division.labelled].unique().numel())
    return EpochMetrics(
        epoch=state.epoch - 1,
        phase=phase,
        samples=state.samples,
        seconds=seconds,
        learning_rate=progress.lr,
        **{name: losses.get(name, NAN) for name in LOSSES},
        lambda_u=progress.lambda_u,
        val_acc=NAN if seen is None else seen.val_acc,
        val_acc_a=NAN if seen is None else seen.val_acc_a,
        val_acc_b=NAN if seen is None else seen.val_acc_b,
        val_loss=NAN if seen is None else seen.val_loss,
        labelled_fraction=_mean([d.labelled.double().mean().item() for d in divisions]),
        threshold=_mean([d.threshold for d in divisions]),
        separation=_mean([d.separation for d in divisions]),
        split_state=max((d.state for d in divisions), key=SEVERITY.index, default="none"),
        classes_without_labelled=missing,
        loss_histogram=loss_histogram(divisions),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else NAN
