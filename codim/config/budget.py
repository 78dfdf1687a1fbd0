"""Milestones of the sample budget, computed from image counts alone, so that a study can be planned without torch."""

from typing import NamedTuple

from codim.config.pretrain import PretrainConfig
from codim.config.train_config import TrainConfig


class Milestones(NamedTuple):
    """Number of samples that one network has drawn when each stage ends."""

    pretrain: int
    warmup: int
    rampup: int


class Drawn(NamedTuple):
    """Samples drawn in each stage, by one network."""

    pretrain: int = 0
    warmup: int = 0
    cotrain: int = 0


class Speed(NamedTuple):
    """Measured speed of a training in each stage, and the size of its checkpoint."""

    pretrain: float
    """Seconds per sample in pre-training, including its share of evaluation and observer; the next two likewise."""
    warmup: float
    cotrain: float
    checkpoint_bytes: float
    """Size of one checkpoint of a training on all images of the data set."""

    def seconds(self, drawn: Drawn) -> float:
        return drawn.pretrain * self.pretrain + drawn.warmup * self.warmup + drawn.cotrain * self.cotrain


def milestones(config: TrainConfig, images: int, training_images: int) -> Milestones:
    """Compute when the stages end. Raises ValueError if the budget ends before the last stage begins.

    Args:
        images: size of training and validation part together.
    """
    n = epoch_images(config, training_images)
    pretrain = pretrain_samples(config.pretrain, images)
    warm_epochs = 0 if config.divide.split == "given" else config.warmup.epochs
    warmup = pretrain + warm_epochs * steps(n, config) * config.train.batch_size
    rampup = warmup + round(config.mixmatch.rampup_epochs * n)
    marks = Milestones(pretrain, warmup, rampup)
    needed = warmup if config.train.co_training else pretrain
    if config.train.samples <= needed:
        told = ends_in_words(config, marks)
        raise ValueError(f"train/samples: {config.train.samples} is too small: {told}; allowed: more than {needed}")
    return marks


def drawn_samples(config: TrainConfig, images: int, training_images: int) -> Drawn:
    """Compute the samples that a whole training draws. Raises ValueError as `milestones`."""
    marks = milestones(config, images, training_images)
    warm = marks.warmup if config.train.co_training else config.train.samples
    return Drawn(marks.pretrain, warm - marks.pretrain, config.train.samples - warm)


def ends_in_words(config: TrainConfig, marks: Milestones) -> str:
    """Describe when the stages end, for error messages. Omits stages that `config` does not have, and a warm-up that
    lasts to the end of the budget."""
    co_training = config.train.co_training
    ends = (
        ("pre-training", marks.pretrain, config.pretrain.epochs > 0),
        ("warm-up", marks.warmup, co_training and config.divide.split == "mixture"),
        ("ramp-up of lambda_u", marks.rampup, co_training and config.mixmatch.rampup_epochs > 0),
    )
    return ", ".join(f"{stage} ends after {end} samples" for stage, end, present in ends if present)


def require_even_shares(config: TrainConfig, workers: int) -> None:
    """Check that `workers` can split every batch evenly. Raises ValueError."""
    sizes = {"train/batch_size": config.train.batch_size}
    if config.pretrain.epochs:
        sizes["pretrain/batch_size"] = config.pretrain.batch_size
    for path, size in sizes.items():
        if size % workers:
            raise ValueError(
                f"{path}: {size} cannot be divided evenly among {workers} workers; allowed: a multiple of {workers}"
            )


def epoch_images(config: TrainConfig, training_images: int) -> int:
    """Number of training images used in one epoch."""
    return min(config.train.epoch_images or training_images, training_images)


def steps(samples: int, config: TrainConfig) -> int:
    """Number of batches needed for `samples` images."""
    return -(-samples // config.train.batch_size)


def steps_per_epoch(config: PretrainConfig, num_images: int) -> int:
    return -(-num_images // config.batch_size)


def pretrain_samples(config: PretrainConfig, num_images: int) -> int:
    """Number of images drawn by the whole pre-training."""
    return config.epochs * steps_per_epoch(config, num_images) * config.batch_size
