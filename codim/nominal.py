"""The shape of each named data set as published, to check a study where the data are absent. For planning only."""

from typing import NamedTuple

import numpy as np
import torch

from codim.datasets import READ_IMAGES, TrainingData, Truth, stratified_split, subset_rows
from codim.noise import NoiseSpec, transition_matrix
from codim.source import DataConfig


class Shape(NamedTuple):
    """Counts of images by part; pixels of a side."""

    train: int
    val: int
    """Official validation part; 0: there is none."""
    test: int
    classes: int
    channels: int
    pixels: int
    """0: as `data/cache_size` says."""
    truth_known: bool = True


NOMINAL = {
    "digits": Shape(1_347, 0, 450, 10, 1, 8),
    "cifar10": Shape(50_000, 0, 10_000, 10, 3, 32),
    "cifar100": Shape(50_000, 0, 10_000, 100, 3, 32),
    "webvision": Shape(65_944, 0, 2_500, 50, 3, 0, truth_known=False),
    "clothing1m": Shape(1_000_000, 14_313, 10_526, 14, 3, 0, truth_known=False),
}


def nominal_data(config: DataConfig, noise: NoiseSpec) -> tuple[TrainingData, Truth]:
    """What `load_data` would give, with labels spread evenly over the classes and black images that take no memory: for
    planning only.

    The noise is laid on these labels, so that one that does not fit the classes is found; kinds that read or replace
    images are left out. Raises ValueError as `load_data`, and for a data set without a nominal shape.
    """
    if config.name not in NOMINAL:
        raise ValueError(f"data/name: {config.name!r} has no published shape; allowed: {', '.join(NOMINAL)}")
    shape = NOMINAL[config.name]
    labels = np.arange(shape.train) % shape.classes
    kind: str = noise.kind
    given = labels
    if kind not in (*READ_IMAGES, "openset"):
        given = noise.apply(labels, shape.classes, np.empty((0, shape.channels, 1, 1), dtype=np.uint8))
    rows = subset_rows(labels, config.subset)
    given, true = given[rows], labels[rows]
    rate = float((given != true).mean())
    if config.validation == "official":
        if not shape.val:
            raise ValueError(
                f"data/validation: 'official', but {config.name} has no validation part of its own; allowed: split"
            )
        train_index, val_index = np.split(np.arange(len(given) + shape.val), [len(given)])
        official = np.arange(shape.val) % shape.classes
        given, true = np.concatenate([given, official]), np.concatenate([true, official])
    else:
        train_index, val_index = stratified_split(given, config.val_fraction, config.split_seed)
    side = shape.pixels or config.cache_size
    black = torch.zeros(1, shape.channels, side, side, dtype=torch.uint8)
    data = TrainingData(
        black.expand(len(given), -1, -1, -1),
        torch.from_numpy(given),
        torch.from_numpy(train_index),
        torch.from_numpy(val_index),
        tuple(str(k) for k in range(shape.classes)),
    )
    test_labels = torch.arange(shape.test) % shape.classes
    test_images = black.expand(shape.test, -1, -1, -1)
    if not shape.truth_known:
        unknown = torch.full((len(true),), -1)
        return data, Truth(unknown, test_images, test_labels, float("nan"), np.empty((0, 0)))
    truth = Truth(
        torch.from_numpy(true),
        test_images,
        test_labels,
        rate,
        transition_matrix(true, given, shape.classes),
        torch.from_numpy(given == true),
    )
    return data, truth
