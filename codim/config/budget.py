"""Where in the budget the stages end; from counts of images alone, so that a study is planned without torch."""

from typing import NamedTuple

from codim.config.pretrain import PretrainConfig
from codim.config.train_config import TrainConfig


class Milestones(NamedTuple):
    """Samples drawn by one network when each stage ends."""

    pretrain: int
    warmup: int
    rampup: int


def milestones(config: TrainConfig, images: int, training_images: int) -> Milestones:
    """When the stages end. Raises ValueError where the budget ends before the last one has begun.

    Args:
        images: of training and validation part together.
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


def ends_in_words(config: TrainConfig, marks: Milestones) -> str:
    """After how many samples the stages end, for errors. Left out: what `config` has not, and the warm-up that lasts to
    the end of the budget."""
    co_training = config.train.co_training
    ends = (
        ("pre-training", marks.pretrain, config.pretrain.epochs > 0),
        ("warm-up", marks.warmup, co_training and config.divide.split == "mixture"),
        ("ramp-up of lambda_u", marks.rampup, co_training and config.mixmatch.rampup_epochs > 0),
    )
    return ", ".join(f"{stage} ends after {end} samples" for stage, end, present in ends if present)


def require_even_shares(config: TrainConfig, workers: int) -> None:
    """Raises ValueError where so many workers cannot share each batch evenly."""
    sizes = {"train/batch_size": config.train.batch_size}
    if config.pretrain.epochs:
        sizes["pretrain/batch_size"] = config.pretrain.batch_size
    for path, size in sizes.items():
        if size % workers:
            raise ValueError(
                f"{path}: {size} cannot be shared evenly by {workers} workers; allowed: a multiple of {workers}"
            )


def epoch_images(config: TrainConfig, training_images: int) -> int:
    """Images of the training part that take part in one epoch."""
    return min(config.train.epoch_images or training_images, training_images)


def steps(samples: int, config: TrainConfig) -> int:
    """Batches that hold so many images."""
    return -(-samples // config.train.batch_size)


def steps_per_epoch(config: PretrainConfig, num_images: int) -> int:
    return -(-num_images // config.batch_size)


def pretrain_samples(config: PretrainConfig, num_images: int) -> int:
    """Images drawn by the whole stage."""
    return config.epochs * steps_per_epoch(config, num_images) * config.batch_size
