"""The stages in order, as an iterator over epochs: the caller owns reporting, stopping and saving."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from codim.config.budget import Milestones, epoch_images, milestones, pretrain_samples, steps
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.batches import endless_batches
from codim.data.feature_views import fitted_augmenter
from codim.data.load import TrainingData
from codim.division.divide import divide, scale_losses
from codim.evaluation.evaluate import evaluate
from codim.losses.supervised import warmup_loss
from codim.metrics import EpochMetrics
from codim.runtime.device import set_up
from codim.runtime.distributed import average_buffers, broadcast, require_even, shard, world_size
from codim.training.cssl import Batch, cssl_losses
from codim.training.epoch_log import Progress, epoch_metrics
from codim.training.optim import step
from codim.training.pretrain import pretrain_epochs
from codim.training.state import TrainState, draw_active


def run_epochs(config: TrainConfig, data: TrainingData, state: TrainState) -> Iterator[EpochMetrics]:
    """Train until the budget is drawn; yield after each epoch, with `state` advanced in place and ready to be saved.

    Under torch.distributed each worker runs this with the same config and data, and sees the same rows and state.

    Raises:
        ValueError: the budget ends before co-training begins, or the workers cannot share a batch evenly.
        FloatingPointError: a training loss is not finite.
    """
    marks = milestones(config, len(data.images), len(data.train_index))
    set_up(data.images.device, config.network.precision)
    require_even("train/batch_size", config.train.batch_size)
    augmenter = fitted_augmenter(config, data.images)
    if state.pretraining:
        yield from _pretrain(config, data, state, augmenter)
    while state.samples < config.train.samples:
        started = time.perf_counter()
        warm = not config.train.co_training or state.samples < marks.warmup
        progress = Progress(config, marks, epoch_images(config, len(data.train_index)))
        if warm:
            _warmup_epoch(config, data, state, augmenter, progress)
        else:
            _cotrain_epoch(config, data, state, augmenter, progress)
        state.epoch += 1
        state.under_way = 0
        losses = progress.means(state.epoch - 1)
        if state.average:
            done = (state.samples - marks.pretrain) / (config.train.samples - marks.pretrain)
            state.average.after_epoch(state.networks, done)
        _evaluate(config, data, state, augmenter)
        if warm and config.warms_up and config.warmup.seed is not None and state.samples >= marks.warmup:
            state.generator.manual_seed(config.train.seed)
        seconds = time.perf_counter() - started
        yield epoch_metrics("warmup" if warm else "cotrain", data, state, progress, losses, seconds)


def _pretrain(
    config: TrainConfig, data: TrainingData, state: TrainState, augmenter: Augmenter
) -> Iterator[EpochMetrics]:
    stage = state.pretraining
    assert stage is not None
    per_epoch = pretrain_samples(config.pretrain, len(data.images)) // config.pretrain.epochs
    started = time.perf_counter()
    for loss, lr in pretrain_epochs(config.pretrain, data.images, augmenter, stage):
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the training loss became {loss} in epoch {state.epoch}; a smaller pretrain/lr may help"
            )
        state.epoch += 1
        state.samples += per_epoch
        if stage.epoch == config.pretrain.epochs:
            state.take_over(stage.result())
            state.pretraining = None
        progress = Progress(config, Milestones(0, 0, 0), len(data.images))
        progress.lr = lr
        losses = {"loss": loss, "loss_c": loss}
        yield epoch_metrics("pretrain", data, state, progress, losses, time.perf_counter() - started)
        started = time.perf_counter()


def _warmup_epoch(
    config: TrainConfig, data: TrainingData, state: TrainState, augmenter: Augmenter, progress: Progress
) -> None:
    size = config.train.batch_size
    count = min(steps(len(state.active), config), steps(config.train.samples - state.samples, config))
    for k, (net, optimizer) in enumerate(zip(state.networks, state.optimizers, strict=True)):
        net.train()
        batches = endless_batches(state.active, size, state.generator)
        for i in range(count):
            index = shard(next(batches))
            logits = net(augmenter.weak(data.images[index], state.generator))
            loss = warmup_loss(logits, data.labels[index], config.warmup.confidence_penalty)
            step(optimizer, loss, progress.lr_at(state.samples + i * size))
            progress.add(loss)
            if state.average:
                state.average.after_step(k, net)
            state.under_way = (k * count + i + 1) * size // 2
    state.samples += count * size


def _cotrain_epoch(
    config: TrainConfig, data: TrainingData, state: TrainState, augmenter: Augmenter, progress: Progress
) -> None:
    if config.divide.split == "mixture":
        history = state.loss_history
        if config.divide.measure != "loss":
            history = [state.statistics.means(state.active).doubt(config.divide.measure)]
        trusted = None if data.trusted is None else data.trusted[state.active]
        scaled = [torch.stack([scale_losses(own) for own in losses]) for losses in history]
        averaged = torch.stack(scaled).mean(0)
        state.divisions = divide(averaged, state.active, data.labels[state.active], config.divide, trusted)
        if world_size() > 1:
            first = broadcast([division.to("cpu") for division in state.divisions])
            state.divisions = [replace(own.to(data.images.device), index=state.active) for own in first]
    size = config.train.batch_size
    drawn = 0
    for k, net in enumerate(state.networks):
        peer, division = state.networks[1 - k], state.divisions[1 - k]
        labelled = division.index[division.labelled]
        unlabelled = division.index[~division.labelled]
        clean_probability = torch.zeros(len(data.images), device=data.images.device)
        clean_probability[division.index] = division.clean_probability
        batches_x = endless_batches(labelled, size, state.generator)
        batches_u = endless_batches(unlabelled, size, state.generator)
        per_epoch = len(labelled) if config.train.epoch == "labelled" else len(division.index) // 2
        count = min(steps(per_epoch, config), steps((config.train.samples - state.samples + 1) // 2, config))
        for i in range(count):
            samples = state.samples + 2 * i * size
            ix, iu = shard(next(batches_x)), shard(next(batches_u))
            batch = Batch(data.images[ix], data.labels[ix], clean_probability[ix], data.images[iu])
            lambda_u = progress.lambda_u_at(samples)
            losses = cssl_losses(
                net, peer, batch, config.mixmatch, config.contrastive, lambda_u, augmenter, state.generator
            )
            step(state.optimizers[k], losses.total, progress.lr_at(samples))
            progress.add(*losses)
            if state.average:
                state.average.after_step(k, net)
            state.under_way = drawn // 2 + (i + 1) * size
        drawn += 2 * count * size
    state.samples += drawn // 2


def _evaluate(config: TrainConfig, data: TrainingData, state: TrainState, augmenter: Augmenter) -> None:
    """Evaluate the images of the next epoch and of the validation part: for the metrics, and for the next division."""
    if not config.train.sync_batch_norm:
        for net in state.networks:
            average_buffers(net)
    state.active = draw_active(config, data, state.generator)
    state.evaluation = evaluate(state.networks, data, augmenter, state.active, state.statistics)
    state.loss_history = [*state.loss_history, state.evaluation.losses][-config.divide.loss_history :]
