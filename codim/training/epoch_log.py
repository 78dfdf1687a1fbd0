"""What an epoch reports: sums over its steps, and the row of metrics made from them and the state."""

import math

import torch
from torch import Tensor

from codim.config.budget import Milestones
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.division.divide import SEVERITY, loss_histogram
from codim.evaluation.evaluate import NAN
from codim.losses.mixmatch import ramp_up
from codim.metrics import EpochMetrics, Phase
from codim.runtime.distributed import mean
from codim.training.state import TrainState


class Progress:
    """Of one epoch: learning rate and lambda_u as functions of the samples drawn, and the sums of the losses."""

    def __init__(self, config: TrainConfig, marks: Milestones, images: int) -> None:
        """`images`: of the training part, in one epoch."""
        self.config, self.marks, self.images = config, marks, images
        self.sums: Tensor | None = None
        self.steps = 0
        self.lr, self.lambda_u = NAN, NAN

    def lr_at(self, samples: int) -> float:
        budget = self.config.train.samples - self.marks.pretrain
        self.lr = self.config.optim.lr_at((samples - self.marks.pretrain) / budget)
        return self.lr

    def lambda_u_at(self, samples: int) -> float:
        epochs = (samples - self.marks.warmup) / self.images
        self.lambda_u = self.config.mixmatch.lambda_u * ramp_up(epochs, self.config.mixmatch.rampup_epochs)
        return self.lambda_u

    def add(self, *losses: Tensor) -> None:
        """Total, x, u, c, reg of one step, or the first of them."""
        terms = torch.stack(losses).detach()
        self.sums = terms if self.sums is None else self.sums + terms
        self.steps += 1

    def means(self, epoch: int) -> list[float]:
        """Total, x, u, c, reg, per step and over the workers; NaN for the terms that the stage has not."""
        assert self.sums is not None
        means: list[float] = mean(self.sums / self.steps).tolist()
        if not all(map(math.isfinite, means)):
            raise FloatingPointError(
                f"the training loss became {means[0]} in epoch {epoch}; a smaller optim/lr may help"
            )
        return means + [NAN] * (5 - len(means))


def epoch_metrics(
    phase: Phase, data: TrainingData, state: TrainState, progress: Progress, losses: list[float], seconds: float
) -> EpochMetrics:
    """The row of the epoch that has just ended. `losses`: as `Progress.means` gives them."""
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
        loss=losses[0],
        loss_x=losses[1],
        loss_u=losses[2],
        loss_c=losses[3],
        loss_reg=losses[4],
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
