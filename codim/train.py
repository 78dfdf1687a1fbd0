"""The stages in order, as an iterator over epochs: the caller owns reporting, stopping and saving."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from codim.augment import Augmenter
from codim.batches import endless_batches
from codim.config import TrainConfig
from codim.cssl import Batch, cssl_losses
from codim.datasets import TrainingData
from codim.divide import SEVERITY, Division, divide, scale_losses
from codim.evaluate import NAN, accuracy, predict
from codim.metrics import EpochMetrics, Phase
from codim.mixmatch import ramp_up
from codim.networks import Network, seeded_network
from codim.optim import sgd, step
from codim.pretrain import PretrainState, pretrain_epochs, pretrain_samples
from codim.warmup import warmup_loss


class Milestones(NamedTuple):
    """Samples drawn by one network when each stage ends."""

    pretrain: int
    warmup: int
    rampup: int


def milestones(config: TrainConfig, data: TrainingData) -> Milestones:
    """When the stages end. Raises ValueError where the budget ends before co-training has begun."""
    n = len(data.train_index)
    pretrain = pretrain_samples(config.pretrain, len(data.images))
    warmup = pretrain + config.warmup.epochs * _steps(n, config) * config.train.batch_size
    rampup = warmup + round(config.mixmatch.rampup_epochs * n)
    needed = warmup if config.train.co_training else pretrain
    if config.train.samples <= needed:
        raise ValueError(
            f"train/samples: {config.train.samples} is too small, pre-training and warm-up alone draw {needed}; "
            f"with the ramp-up of lambda_u {rampup}"
        )
    return Milestones(pretrain, warmup, rampup)


@dataclass
class TrainState:
    """All that changes during a training; with it and the config, training goes on bit for bit (on a CPU)."""

    networks: list[Network]
    optimizers: list[torch.optim.Optimizer]
    generator: Generator
    pretraining: PretrainState | None
    """Stage 0, while it lasts."""
    epoch: int = 0
    """Epochs done, of all stages."""
    samples: int = 0
    """Images drawn by one network (mean of both), of all stages."""
    loss_history: list[Tensor] = field(default_factory=list)
    """Of the last epochs, of warm-up and co-training: scaled losses, each (2, N_train) float64."""
    divisions: list[Division] = field(default_factory=list)
    """Made by network A and by B at the start of the last epoch; empty before co-training."""
    logits: Tensor | None = None
    """(2, N, K) over all of TrainingData.images after the last epoch; None where this process has not evaluated yet."""

    @classmethod
    def create(
        cls, config: TrainConfig, data: TrainingData, pretrained: dict[str, Tensor] | None = None
    ) -> "TrainState":
        """A training's start. With the result of stage 0 (PretrainState.result) that stage counts as done."""
        channels, num_classes = data.images.shape[1], len(data.classes)
        device = data.images.device
        networks = [
            seeded_network(config.network, channels, num_classes, 2 * config.train.seed + k).to(device)
            for k in range(2)
        ]
        optimizers: list[torch.optim.Optimizer] = [
            sgd(net.parameters(), config.optim.lr, config.optim.momentum, config.optim.weight_decay) for net in networks
        ]
        state = cls(networks, optimizers, Generator(device).manual_seed(config.train.seed), None)
        if pretrained is not None:
            state._take_over(pretrained)
            state.epoch, state.samples = config.pretrain.epochs, pretrain_samples(config.pretrain, len(data.images))
        elif config.pretrain.epochs:
            state.pretraining = PretrainState.create(config.pretrain, config.network, data.images, num_classes)
        return state

    def _take_over(self, pretrained: dict[str, Tensor]) -> None:
        for net in self.networks:
            try:
                missing, unexpected = net.load_state_dict(pretrained, strict=False)
            except RuntimeError as error:  # other shapes
                raise ValueError(f"the pre-trained weights are of another network: {error}") from error
            if unexpected or any(not key.startswith("classifier.") for key in missing):
                raise ValueError(f"the pre-trained weights are of another network: {unexpected or missing}")


def run_epochs(config: TrainConfig, data: TrainingData, state: TrainState) -> Iterator[EpochMetrics]:
    """Train until the budget is drawn; yield after each epoch, with `state` advanced in place and ready to be saved.

    Raises:
        ValueError: the budget ends before co-training begins.
        FloatingPointError: a training loss is not finite.
    """
    marks = milestones(config, data)
    augmenter = Augmenter.fit(config.augment, data.images)
    if state.pretraining:
        yield from _pretrain(config, data, state, augmenter)
    while state.samples < config.train.samples:
        started = time.perf_counter()
        warm = not config.train.co_training or state.samples < marks.warmup
        progress = _Progress(config, marks)
        if warm:
            _warmup_epoch(config, data, state, augmenter, progress)
        else:
            _cotrain_epoch(config, data, state, augmenter, progress)
        state.epoch += 1
        state.logits = predict(state.networks, data.images, augmenter)
        _remember_losses(config, data, state, state.logits)
        losses = progress.means(state.epoch)
        yield _metrics("warmup" if warm else "cotrain", data, state, progress, losses, time.perf_counter() - started)


class _Progress:
    """Of one epoch: learning rate and lambda_u as functions of the samples drawn, and the sums of the losses."""

    def __init__(self, config: TrainConfig, marks: Milestones) -> None:
        self.config, self.marks = config, marks
        self.sums: Tensor | None = None
        self.steps = 0
        self.lr, self.lambda_u = NAN, NAN

    def at(self, samples: int) -> None:
        budget = self.config.train.samples - self.marks.pretrain
        self.lr = self.config.optim.lr_at((samples - self.marks.pretrain) / budget)

    def lambda_u_at(self, samples: int, num_train: int) -> float:
        epochs = (samples - self.marks.warmup) / num_train
        self.lambda_u = self.config.mixmatch.lambda_u * ramp_up(epochs, self.config.mixmatch.rampup_epochs)
        return self.lambda_u

    def add(self, *losses: Tensor) -> None:
        terms = torch.stack(losses).detach()
        self.sums = terms if self.sums is None else self.sums + terms
        self.steps += 1

    def means(self, epoch: int) -> list[float]:
        """Total, x, u, c, reg; NaN for the terms that the stage has not."""
        assert self.sums is not None
        means: list[float] = (self.sums / self.steps).tolist()
        if not torch.isfinite(self.sums).all():
            raise FloatingPointError(f"the training loss became {means[0]} in epoch {epoch - 1}")
        return means + [NAN] * (5 - len(means))


def _steps(samples: int, config: TrainConfig) -> int:
    return -(-samples // config.train.batch_size)


def _pretrain(
    config: TrainConfig, data: TrainingData, state: TrainState, augmenter: Augmenter
) -> Iterator[EpochMetrics]:
    stage = state.pretraining
    assert stage is not None
    per_epoch = pretrain_samples(config.pretrain, len(data.images)) // config.pretrain.epochs
    started = time.perf_counter()
    for loss, lr in pretrain_epochs(config.pretrain, data.images, augmenter, stage):
        if not math.isfinite(loss):
            raise FloatingPointError(f"the training loss became {loss} in epoch {state.epoch}")
        state.epoch += 1
        state.samples += per_epoch
        if stage.epoch == config.pretrain.epochs:
            state._take_over(stage.result())
            state.pretraining = None
        progress = _Progress(config, Milestones(0, 0, 0))
        progress.lr = lr
        yield _metrics("pretrain", data, state, progress, [loss, NAN, NAN, loss, NAN], time.perf_counter() - started)
        started = time.perf_counter()


def _warmup_epoch(
    config: TrainConfig, data: TrainingData, state: TrainState, augmenter: Augmenter, progress: _Progress
) -> None:
    size = config.train.batch_size
    steps = min(_steps(len(data.train_index), config), _steps(config.train.samples - state.samples, config))
    for net, optimizer in zip(state.networks, state.optimizers, strict=True):
        net.train()
        batches = endless_batches(data.train_index, size, state.generator)
        for i in range(steps):
            index = next(batches)
            logits = net(augmenter.weak(data.images[index], state.generator))
            loss = warmup_loss(logits, data.labels[index], config.warmup.confidence_penalty)
            progress.at(state.samples + i * size)
            step(optimizer, loss, progress.lr)
            progress.add(loss)
    state.samples += steps * size


def _cotrain_epoch(
    config: TrainConfig, data: TrainingData, state: TrainState, augmenter: Augmenter, progress: _Progress
) -> None:
    averaged = torch.stack(state.loss_history).mean(0)
    state.divisions = [divide(own, config.divide) for own in averaged]
    size = config.train.batch_size
    drawn = 0
    for k, net in enumerate(state.networks):
        peer, division = state.networks[1 - k], state.divisions[1 - k]
        labelled = data.train_index[division.labelled]
        unlabelled = data.train_index[~division.labelled]
        clean_probability = torch.zeros(len(data.images), device=data.images.device)
        clean_probability[data.train_index] = division.clean_probability
        batches_x = endless_batches(labelled, size, state.generator)
        batches_u = endless_batches(unlabelled, size, state.generator)
        per_epoch = len(labelled) if config.train.epoch == "labelled" else len(data.train_index) // 2
        steps = min(_steps(per_epoch, config), _steps((config.train.samples - state.samples + 1) // 2, config))
        for i in range(steps):
            samples = state.samples + 2 * i * size
            ix, iu = next(batches_x), next(batches_u)
            batch = Batch(data.images[ix], data.labels[ix], clean_probability[ix], data.images[iu])
            lambda_u = progress.lambda_u_at(samples, len(data.train_index))
            losses = cssl_losses(
                net, peer, batch, config.mixmatch, config.contrastive, lambda_u, augmenter, state.generator
            )
            progress.at(samples)
            step(state.optimizers[k], losses.total, progress.lr)
            progress.add(*losses)
        drawn += 2 * steps * size
    state.samples += drawn // 2


def _remember_losses(config: TrainConfig, data: TrainingData, state: TrainState, logits: Tensor) -> None:
    """Of the training part, by each network, for the next division (a reading of the evaluation, no extra pass)."""
    labels = data.labels[data.train_index]
    losses = [F.cross_entropy(own[data.train_index], labels, reduction="none") for own in logits]
    scaled = torch.stack([scale_losses(own) for own in losses])
    state.loss_history = [*state.loss_history, scaled][-config.divide.loss_history :]


def _metrics(
    phase: Phase, data: TrainingData, state: TrainState, progress: _Progress, losses: list[float], seconds: float
) -> EpochMetrics:
    val_labels = data.labels[data.val_index]
    logits = None if state.logits is None or not len(val_labels) else state.logits[:, data.val_index]
    divisions = state.divisions
    missing = 0
    if divisions:
        present = [data.labels[data.train_index[d.labelled]].unique().numel() for d in divisions]
        missing = data.labels[data.train_index].unique().numel() - min(present)
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
        val_acc=NAN if logits is None else accuracy(logits.sum(0), val_labels),
        val_acc_a=NAN if logits is None else accuracy(logits[0], val_labels),
        val_acc_b=NAN if logits is None else accuracy(logits[1], val_labels),
        val_loss=NAN if logits is None else F.cross_entropy(logits.mean(0), val_labels).item(),
        labelled_fraction=_mean([d.labelled.double().mean().item() for d in divisions]),
        threshold=_mean([d.threshold for d in divisions]),
        separation=_mean([d.separation for d in divisions]),
        split_state=max((d.state for d in divisions), key=SEVERITY.index, default="none"),
        classes_without_labelled=missing,
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else NAN
