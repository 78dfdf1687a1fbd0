"""Data sets: name -> images, true labels, official test part. Then noise and the train / validation split.

Two objects leave this module and never meet again in training: `TrainingData` (given labels only) and `Truth` (true
labels and test images, for an observer).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from codim.noise import Labels, NoiseSpec, OpenSetNoise, transition_matrix
from codim.section import Section


class DataConfig(Section):
    """Which images, and which share of them is held out for validation."""

    name: Literal["digits"] = "digits"
    """Data set, see DATASETS."""
    val_fraction: float = Field(default=0.2, ge=0, lt=1)
    """Share of the training images held out, stratified by given label. 0: train on all (for confirmed settings)."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of the train / validation split."""


@dataclass(frozen=True)
class ImageSource:
    """A data set as its authors give it: uint8 images (N, C, H, W) and true labels (N,), training and test part."""

    images: NDArray[np.uint8]
    labels: Labels
    test_images: NDArray[np.uint8]
    test_labels: Labels
    classes: tuple[str, ...]


@dataclass(frozen=True)
class TrainingData:
    """All that training may see. Images of training *and* validation part stand in one tensor, in the source's
    order."""

    images: Tensor
    """(N, C, H, W) uint8."""
    labels: Tensor
    """(N,) int64: the given labels."""
    train_index: Tensor
    """(N_train,) int64."""
    val_index: Tensor
    """(N_val,) int64, disjoint from `train_index`; its labels carry the same noise."""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Truth:
    """What only an observer may see."""

    labels: Tensor
    """(N,) int64: the true labels of TrainingData.images; -1 where an image belongs to none of the classes, or nobody
    knows."""
    test_images: Tensor
    """(M, C, H, W) uint8."""
    test_labels: Tensor
    """(M,) int64."""
    noise_rate: float
    """Realised share of wrong labels."""
    transition: NDArray[np.float64]
    """(K, K) realised transition matrix, rows: true class."""
    clean: Tensor | None
    """(N,) bool: the given label is right. None where nobody knows."""
    second_test_images: Tensor | None = None
    """(M2, C, H, W) uint8: another test part of the same classes, where the data set has one."""
    second_test_labels: Tensor | None = None
    """(M2,) int64."""


def _digits() -> ImageSource:
    """1,797 handwritten digits of 8x8 pixels with 17 grey levels (Alpaydin & Kaynak, UCI; a copy ships with
    scikit-learn).

    The copy has no test part: a quarter, stratified, drawn once and for all, is ours.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    train, test = train_test_split(np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=0)
    labels = labels.astype(np.int64)
    classes = tuple(str(k) for k in range(10))
    return ImageSource(images[train], labels[train], images[test], labels[test], classes)


DATASETS: dict[str, Callable[[], ImageSource]] = {"digits": _digits}


def load_data(config: DataConfig, noise: NoiseSpec, device: torch.device | str = "cpu") -> tuple[TrainingData, Truth]:
    """Load, apply the noise, split, put on the device. Raises ValueError where the noise does not fit the data."""
    source = DATASETS[config.name]()
    num_classes = len(source.classes)
    given = noise.apply(source.labels, num_classes, source.images)
    if isinstance(noise, OpenSetNoise):
        source = exchange_images(source, noise, config.name)
    train_index, val_index = stratified_split(given, config.val_fraction, config.split_seed)
    data = TrainingData(
        torch.from_numpy(source.images).to(device),
        torch.from_numpy(given).to(device),
        torch.from_numpy(train_index).to(device),
        torch.from_numpy(val_index).to(device),
        source.classes,
    )
    truth = Truth(
        torch.from_numpy(source.labels).to(device),
        torch.from_numpy(source.test_images).to(device),
        torch.from_numpy(source.test_labels).to(device),
        float((given != source.labels).mean()),
        transition_matrix(source.labels, given, num_classes),
        torch.from_numpy(given == source.labels).to(device),
    )
    return data, truth


def exchange_images(source: ImageSource, noise: OpenSetNoise, name: str) -> ImageSource:
    """`source` (of the given name) with open-set images among those for training; their true label is -1.

    Raises ValueError: the other data set is unknown, the same, too small, or its images have another shape.
    """
    others = [other for other in DATASETS if other != name]
    if noise.source not in others:
        raise ValueError(f"noise/source: {noise.source!r}, allowed: {', '.join(others) or 'none, there is no other'}")
    other = DATASETS[noise.source]()
    own_shape, shape = source.images.shape[1:], other.images.shape[1:]
    if shape != own_shape:
        raise ValueError(f"noise/source: images of {noise.source!r} have shape {shape}, those of {name!r} {own_shape}")
    index = noise.replaced(source.labels)
    images, labels = source.images.copy(), source.labels.copy()
    images[index] = other.images[noise.replacements(source.labels, len(other.images))]
    labels[index] = -1
    return replace(source, images=images, labels=labels)


def stratified_split(labels: Labels, val_fraction: float, seed: int) -> tuple[Labels, Labels]:
    """Sorted (train, validation) indices; each class gives its share, rounded, and keeps at least one training sample.

    scikit-learn's stratified split refuses a class with a single sample, which noise can produce.
    """
    rng = np.random.default_rng(seed)
    val: list[Labels] = []
    for k in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == k))
        val.append(members[: min(round(val_fraction * len(members)), len(members) - 1)])
    val_index = np.sort(np.concatenate(val))
    return np.setdiff1d(np.arange(len(labels)), val_index), val_index
