"""What is known of each data set without its files: published shape, default folder, default settings."""

from typing import Any, NamedTuple

DATA_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {
        "network": {"name": "small_cnn"},
        # Centred, size-normalised 8x8 images: a shift by a pixel is no small change, a mirrored digit another sign.
        "augment": {"crop_padding": 0, "flip": False, "strong_scale_min": 0.5, "strong_rotation": 15, "strong_grey": 0},
        "pretrain": {"epochs": 10},
        "warmup": {"epochs": 10},
        # So small a network swings from epoch to epoch: a division by the losses of one epoch leaves out a whole class
        # now and then, for good.
        "divide": {"loss_history": 5},
        "mixmatch": {"rampup_epochs": 5},
        "optim": {"lr": 0.05},
        "train": {"samples": 60_000, "epoch": "dataset"},
    },
    # From here on DivideMix's settings; the budget holds its epochs and the pre-training.
    "cifar10": {"network": {"name": "preact_resnet18"}, "train": {"samples": 25_000_000}},
    "cifar100": {
        "network": {"name": "preact_resnet18"},
        "warmup": {"epochs": 30},
        "mixmatch": {"lambda_u": 150},
        "train": {"samples": 25_000_000},
    },
    "webvision": {
        "network": {"name": "inception_resnet_v2"},
        "augment": {"size": 227, "crop_padding": 0},
        "pretrain": {"epochs": 100, "batch_size": 128, "lr": 0.0625},
        "warmup": {"epochs": 1},
        "mixmatch": {"lambda_u": 0, "alpha": 0.5, "rampup_epochs": 0},
        "optim": {"lr": 0.01},
        "train": {"samples": 12_000_000, "batch_size": 32},
    },
    "clothing1m": {
        "network": {"name": "resnet50"},
        "augment": {"size": 224, "crop_padding": 0},
        "pretrain": {"epochs": 1, "batch_size": 128, "lr": 0.0625},
        "warmup": {"epochs": 1},
        "mixmatch": {"lambda_u": 0, "alpha": 0.5, "rampup_epochs": 0},
        "optim": {"lr": 0.002, "weight_decay": 1e-3},
        "train": {"samples": 4_000_000, "batch_size": 32, "epoch_images": 32_000},
    },
    "folder": {"network": {"name": "resnet18"}, "augment": {"size": 224, "crop_padding": 0}},
    "table": {"network": {"name": "resnet18"}, "augment": {"size": 224, "crop_padding": 0}},
}
"""Defaults that belong to a data set: they stand over the code's and under what the user names."""


DEFAULT_PLACES = {"cifar10": "", "cifar100": "", "webvision": "webvision", "clothing1m": "clothing1m"}
"""Below the default root."""


class Shape(NamedTuple):
    """Counts of images by part."""

    train: int
    val: int
    """Official validation part; 0: there is none."""
    classes: int
    whole: bool
    """Its loader takes nothing but all of it; of the others anybody may have a part."""
    truth_known: bool = True


NOMINAL = {
    "digits": Shape(1_347, 0, 10, whole=True),
    "cifar10": Shape(50_000, 0, 10, whole=True),
    "cifar100": Shape(50_000, 0, 100, whole=True),
    "webvision": Shape(65_944, 0, 50, whole=False, truth_known=False),
    "clothing1m": Shape(1_000_000, 14_313, 14, whole=False, truth_known=False),
}
