"""Facts about each data set that need neither its files nor torch; the loaders are in codim/data/load.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Shape(NamedTuple):
    """Published image counts, to check a study on machines without the data."""

    train: int
    val: int
    """Size of the official validation part; 0: there is none."""
    classes: int
    whole: bool
    """Whether the loader accepts only the complete data set; of the others, users may have a part."""
    truth_known: bool = True
    side: int = 256
    """Side of the images in pixels, as they are loaded."""


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about one data set."""

    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Default settings by section; they override the code's defaults and are overridden by the user's."""
    folder: str | None = None
    """Subfolder of the files in the default root; None: no default location."""
    shape: Shape | None = None
    own: str = ""
    """For a user's own data, a description of what `data/root` must name; otherwise empty."""
    vectors: bool = False
    """Whether the samples are embeddings (N, D) in place of images."""


IN_MEMORY, VECTORS_IN_MEMORY = "arrays", "vectors"
"""Names for the images and the embeddings that `codim.train` was given, which no loader can find."""
NOT_HERE = (
    f"data/name: {IN_MEMORY!r} and {VECTORS_IN_MEMORY!r} are in the memory of a program that calls codim.train; "
    "allowed: another name"
)

_SHORT: dict[str, dict[str, Any]] = {
    "divide": {"by_class": True},
    "mixmatch": {"lambda_u": 2.0, "alpha": 0.2},
    "contrastive": {"sets": "unlabelled", "running_statistics": False},
    "optim": {"step_at": 0.8},
}
"""For trainings of far fewer steps than the papers' (what each is worth: benchmarks/README.md)."""

_IDX_DEFAULTS: dict[str, dict[str, Any]] = {
    **_SHORT,
    "network": {"name": "small_cnn", "width": 32},
    "augment": {"crop_padding": 2, "flip": False, "strong_scale_min": 0.5, "strong_rotation": 15, "strong_grey": 0},
    "pretrain": {"epochs": 20},
    "warmup": {"epochs": 2},
    "mixmatch": {**_SHORT["mixmatch"], "rampup_epochs": 2},
    "train": {"samples": 3_000_000, "batch_size": 32, "epoch": "dataset"},
}

_OWN_DEFAULTS: dict[str, dict[str, Any]] = {
    **_SHORT,
    "data": {"cache_size": "auto"},
    "network": {"name": "auto", "width": "auto"},
    "augment": {"size": "auto", "crop_padding": "auto"},
    "pretrain": {"epochs": "auto", "batch_size": "auto"},
    "warmup": {"epochs": "auto"},
    "mixmatch": {**_SHORT["mixmatch"], "rampup_epochs": "auto"},
    "contrastive": {**_SHORT["contrastive"], "weight": 0.03},
    "train": {"samples": "auto", "batch_size": "auto", "epoch": "dataset"},
}
"""Defaults for own images; each `auto` is computed from the data (codim/config/auto.py)."""

_VECTOR_DEFAULTS: dict[str, dict[str, Any]] = {
    **_OWN_DEFAULTS,
    "data": {},
    "network": {"name": "mlp", "precision": "auto"},
    "augment": {},
    "optim": {**_SHORT["optim"], "lr": 0.01, "weight_decay": "auto"},
}
"""Defaults for embeddings. At the rate of CIFAR so small a network knows the wrong labels by heart before the first
division (benchmarks/README.md)."""

DATASET_FACTS: dict[str, DatasetFacts] = {
    "digits": DatasetFacts(
        defaults={
            "network": {"name": "small_cnn"},
            # Centred, size-normalised 8x8 images: one pixel is a large shift, a mirrored digit another sign.
            "augment": {
                "crop_padding": 0,
                "flip": False,
                "strong_scale_min": 0.5,
                "strong_rotation": 15,
                "strong_grey": 0,
            },
            "pretrain": {"epochs": 10},
            "warmup": {"epochs": 10},
            # So small a network varies between epochs: a division by the losses of one epoch sometimes drops a whole
            # class for good.
            "divide": {"loss_history": 5},
            "mixmatch": {"rampup_epochs": 5},
            "optim": {"lr": 0.05},
            "train": {"samples": 60_000, "epoch": "dataset"},
        },
        shape=Shape(1_347, 0, 10, whole=True, side=8),
    ),
    "mnist": DatasetFacts(defaults=_IDX_DEFAULTS, folder="", shape=Shape(60_000, 0, 10, whole=True, side=28)),
    "fashion_mnist": DatasetFacts(
        defaults={**_IDX_DEFAULTS, "augment": {**_IDX_DEFAULTS["augment"], "flip": True}},
        folder="",
        shape=Shape(60_000, 0, 10, whole=True, side=28),
    ),
    # From here on DivideMix's settings; the budget covers its epochs plus pre-training.
    "cifar10": DatasetFacts(
        defaults={"network": {"name": "preact_resnet18"}, "train": {"samples": 25_000_000}},
        folder="",
        shape=Shape(50_000, 0, 10, whole=True, side=32),
    ),
    "cifar100": DatasetFacts(
        defaults={
            "network": {"name": "preact_resnet18"},
            "warmup": {"epochs": 30},
            "mixmatch": {"lambda_u": 150},
            "train": {"samples": 25_000_000},
        },
        folder="",
        shape=Shape(50_000, 0, 100, whole=True, side=32),
    ),
    "webvision": DatasetFacts(
        defaults={
            "network": {"name": "timm:inception_resnet_v2", "input_size": 227},
            "augment": {"size": 227, "crop_padding": 0},
            "pretrain": {"epochs": 100, "batch_size": 128, "lr": 0.0625},
            "warmup": {"epochs": 1},
            "mixmatch": {"lambda_u": 0, "alpha": 0.5, "rampup_epochs": 0},
            "optim": {"lr": 0.01},
            "train": {"samples": 12_000_000, "batch_size": 32},
        },
        folder="webvision",
        shape=Shape(65_944, 0, 50, whole=False, truth_known=False),
    ),
    "clothing1m": DatasetFacts(
        defaults={
            "network": {"name": "torchvision:resnet50"},
            "augment": {"size": 224, "crop_padding": 0},
            "pretrain": {"epochs": 1, "batch_size": 128, "lr": 0.0625},
            "warmup": {"epochs": 1},
            "mixmatch": {"lambda_u": 0, "alpha": 0.5, "rampup_epochs": 0},
            "optim": {"lr": 0.002, "weight_decay": 1e-3, "encoder_lr_factor": 1},
            "train": {"samples": 4_000_000, "batch_size": 32, "epoch_images": 32_000},
        },
        folder="clothing1m",
        shape=Shape(1_000_000, 14_313, 14, whole=False, truth_known=False),
    ),
    "folder": DatasetFacts(defaults=_OWN_DEFAULTS, own="the folder with a folder per class"),
    "table": DatasetFacts(defaults=_OWN_DEFAULTS, own="a .csv or .parquet file"),
    "embeddings": DatasetFacts(
        defaults=_VECTOR_DEFAULTS, own="a .npy, .npz or .parquet file of embeddings", vectors=True
    ),
    IN_MEMORY: DatasetFacts(defaults=_OWN_DEFAULTS),
    VECTORS_IN_MEMORY: DatasetFacts(defaults=_VECTOR_DEFAULTS, vectors=True),
}
