"""Data sets by name: images, labels, official parts; then the noise and the training / validation split.

Two objects leave this module and are kept apart in training: `TrainingData` (given labels only) and `Truth` (true
labels and test images, for an observer).
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codim.config.data import DataConfig
from codim.config.datasets import DATASET_FACTS, IN_MEMORY, VECTORS_IN_MEMORY, DatasetFacts
from codim.data.cifar import cifar10, cifar100
from codim.data.clothing1m import clothing1m
from codim.data.digits import _digits
from codim.data.embeddings import embeddings
from codim.data.image_source import ImageSource, Loader
from codim.data.mnist import fashion_mnist, mnist
from codim.data.own_images import folder, in_memory, table
from codim.data.positions import read_positions
from codim.data.splits import first_of_each, stratified_split, subset_rows
from codim.data.stored import Images, Pixels, Stored
from codim.data.webvision import webvision
from codim.noise.base import NoiseKind
from codim.noise.openset import OpenSetNoise
from codim.noise.transition import Labels, transition_matrix
from codim.text.safe_text import printable


@dataclass(frozen=True)
class TrainingData:
    """All data that training may see. Images of training *and* validation part are one tensor, in the source's order;
    those of an official validation part come last."""

    images: Images
    """Images, (N, C, H, W) uint8, or embeddings, (N, D) float32."""
    labels: Tensor
    """Given labels, (N,) int64."""
    train_index: Tensor
    """Indices of the training part, (N_train,) int64."""
    val_index: Tensor
    """Indices of the validation part, (N_val,) int64; its labels have the same noise, those of an official part
    none."""
    classes: tuple[str, ...]
    trusted: Tensor | None = None
    """Which labels somebody has checked, (N,) bool; None if none."""

    def digest(self) -> str:
        """Return a checksum of the given labels and of the names of samples that have some, in their order."""
        found = hashlib.sha256(self.labels.cpu().numpy().tobytes())
        if isinstance(self.images, Stored):
            for i in range(len(self.images)):
                found.update(self.images.name(i).encode(errors="surrogateescape") + b"\0")
        return found.hexdigest()


@dataclass(frozen=True)
class Truth:
    """True labels and test images, which only an observer may see."""

    labels: Tensor
    """True labels of TrainingData.images, (N,) int64; -1 for an image of none of the classes, or if unknown."""
    test_images: Images
    """Test images, as the training images; M is 0 if the data have no test part."""
    test_labels: Tensor
    """Test labels, (M,) int64."""
    noise_rate: float
    """Realised share of wrong labels, without an official validation part; NaN if unknown."""
    transition: NDArray[np.float64]
    """Realised (K, K) transition matrix, rows: true class; without images of no class. (0, 0) if unknown."""
    clean: Tensor | None = None
    """Whether each given label is correct, (N,) bool; None if unknown."""
    second_test_images: Images | None = None
    """Images of another test part with the same classes, M2, if the data set has one."""
    second_test_labels: Tensor | None = None
    """Labels of the second test part, (M2,) int64."""


DATASETS: dict[str, Loader] = {
    "digits": _digits,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "webvision": webvision,
    "clothing1m": clothing1m,
    "folder": folder,
    "table": table,
    "embeddings": embeddings,
    IN_MEMORY: in_memory,
    VECTORS_IN_MEMORY: in_memory,
}
"""Loaders by name; the facts about each data set are in codim/config/datasets.py."""


def register_dataset(name: str, loader: Loader, facts: DatasetFacts) -> None:
    """Register a data set, so that `data/name` may name it.

    Each process that loads it must do so, the workers of a study too.

    Example:
        >>> import codim
        >>> from codim.config.datasets import DatasetFacts
        >>> from codim.data.image_source import ImageSource
        >>> def stripes(config: DataConfig) -> ImageSource:
        ...     labels = np.arange(160) % 4
        ...     images = np.zeros((160, 1, 8, 8), dtype=np.uint8)
        ...     images[np.arange(160), 0, 2 * labels] = 255
        ...     return ImageSource(images, labels, images[:40], labels[:40], ("a", "b", "c", "d"))
        >>> codim.register_dataset("stripes", stripes, DatasetFacts())
        >>> config = codim.train_config({"data": {"name": "stripes"}})
        >>> data, truth = codim.load_data(config.data, config.noise)
        >>> data.classes
        ('a', 'b', 'c', 'd')
    """
    DATASETS[name], DATASET_FACTS[name] = loader, facts


def load_data(config: DataConfig, noise: NoiseKind, device: torch.device | str = "cpu") -> tuple[TrainingData, Truth]:
    """Load a data set, apply noise, take the subset, split, and move to the device.

    Raises:
        ValueError: files are missing, damaged or in another layout than the loader documents; the noise, the subset or
            the kind of validation does not fit the data.

    Example:
        >>> import codim
        >>> config = codim.train_config({"data": {"name": "digits"}, "noise": {"kind": "symmetric", "rate": 0.5}})
        >>> data, truth = codim.load_data(config.data, config.noise)
        >>> tuple(data.images.shape), 0.4 < truth.noise_rate < 0.5
        ((1347, 1, 8, 8), True)
    """
    source = DATASETS[config.name](config)
    num_classes = len(source.classes)
    rows = subset_rows(source.labels, config.subset)
    checked = _trusted(source, config, rows)
    given = noise.apply(source.labels, num_classes, _for_noise(source.images, noise))
    given, true, trusted = np.where(checked, source.labels, given)[rows], source.labels[rows], checked[rows]
    images = source.images if not config.subset else _take(source.images, rows)
    if isinstance(noise, OpenSetNoise):
        if checked.any():
            raise ValueError("noise/kind: openset replaces images, trusted ones too; allowed with them: another kind")
        images, true = _with_foreign_images(images, true, rows, source.labels, noise, config)
    clean = given == true
    rate = float((~clean).mean())
    transition = transition_matrix(true[true >= 0], given[true >= 0], num_classes)
    if config.validation == "official":
        if source.val_images is None or source.val_labels is None:
            raise ValueError(f"data/validation: 'official', but {config.name} has no validation part; allowed: split")
        train_index, val_index = np.split(np.arange(len(given) + len(source.val_labels)), [len(given)])
        images = _followed_by(images, source.val_images)
        given, true = (np.concatenate([labels, source.val_labels]) for labels in (given, true))
        trusted = np.concatenate([trusted, np.zeros(len(source.val_labels), dtype=bool)])
        clean = given == true
        _require_untrusted(trusted[train_index])
    else:
        train_index, val_index = train_val_split(config, given, trusted, which_images(images))
    if not source.truth_known:
        true, rate, transition = np.full_like(true, -1), float("nan"), np.empty((0, 0))
    data = TrainingData(
        _placed(images, device),
        _tensor(given, device),
        _tensor(train_index, device),
        _tensor(val_index, device),
        source.classes,
        _tensor(trusted, device) if trusted.any() else None,
    )
    truth = Truth(
        _tensor(true, device),
        _placed(source.test_images, device),
        _tensor(source.test_labels, device),
        rate,
        transition,
        _tensor(clean, device) if source.truth_known else None,
        None if source.second_test_images is None else _placed(source.second_test_images, device),
        None if source.second_test_labels is None else _tensor(source.second_test_labels, device),
    )
    return data, truth


def _trusted(source: ImageSource, config: DataConfig, rows: Labels) -> NDArray[np.bool_]:
    """Return which labels of the source's training part, of which `rows` are used, are trusted, (N,). Raises
    ValueError: the file names others, or labels would have to be known."""
    count = len(source.labels)
    found = np.zeros(count, dtype=bool) if source.trusted is None else source.trusted.copy()
    if config.trusted is not None and config.trusted_folder is None:
        index = read_positions(config.trusted, "data/trusted")
        if (outside := index[(index < 0) | (index >= count)]).size:
            where = printable(config.trusted)
            raise ValueError(f"data/trusted: {where} names image {outside[0]}; allowed: 0 to {count - 1}")
        found[index] = True
    if config.trusted_per_class:
        if not source.truth_known:
            raise ValueError(
                f"data/trusted_per_class: {config.trusted_per_class}, but the true labels are unknown; allowed: 0, and "
                "data/trusted for labels that were checked"
            )
        found[rows[first_of_each(source.labels[rows], config.trusted_per_class)]] = True
    return found


def train_val_split(
    config: DataConfig, labels: Labels, trusted: NDArray[np.bool_], repeats: Labels | None = None
) -> tuple[Labels, Labels]:
    """Return the positions of the training and of the validation part, where the latter is not an official one.

    Args:
        labels: given labels (N,). trusted: whether somebody has checked each. repeats: as `which_images` returns them.
    Raises:
        ValueError: trusted samples are to be held out, but there are none; or all that are trained on are trusted.
    """
    if config.validation != "trusted":
        train_index, val_index = stratified_split(labels, config.val_fraction, config.split_seed, repeats)
    elif trusted.any():
        train_index, val_index = np.flatnonzero(~trusted), np.flatnonzero(trusted)
    else:
        raise ValueError("data/validation: 'trusted', but no image is; data/trusted, or a column trusted, names them")
    _require_untrusted(trusted[train_index])
    return train_index, val_index


def _require_untrusted(trusted: NDArray[np.bool_]) -> None:
    if trusted.all():
        raise ValueError("data/trusted: all images are trusted; allowed: some that are not, which the method is for")


def which_images(images: Pixels | Images) -> Labels | None:
    """Return an id per sample, (N,), equal for repeated images; None if images cannot repeat."""
    return images.repeats if isinstance(images, Stored) else None


def _for_noise(images: Pixels, noise: NoiseKind) -> NDArray[Any]:
    if not isinstance(images, Stored):
        return images
    return images.mapped() if noise.reads_images else np.empty((0, *images.shape[1:]), dtype=np.uint8)


def _with_foreign_images(
    images: Pixels, true: Labels, rows: Labels, labels: Labels, noise: OpenSetNoise, config: DataConfig
) -> tuple[Pixels, Labels]:
    """Apply open-set noise: replace the images it names by those of another data set, with true label -1."""
    if isinstance(images, Stored):
        raise ValueError(f"noise/kind: openset needs images in memory, {config.name} reads them from files")
    if noise.source == config.name or noise.source not in DATASETS:
        others = ", ".join(name for name in DATASETS if name != config.name)
        raise ValueError(f"noise/source: {noise.source!r}; allowed with data/name {config.name}: {others}")
    beside = {config.name, noise.source} == {"cifar10", "cifar100"}
    foreign_config = DataConfig(name=noise.source, root=config.root if beside else None, download=config.download)
    foreign = DATASETS[noise.source](foreign_config).images
    if isinstance(foreign, Stored) or foreign.shape[1:] != images.shape[1:]:
        shapes = f"{tuple(foreign.shape[1:])}, those of {config.name} {tuple(images.shape[1:])}"
        raise ValueError(f"noise/source: the images of {noise.source!r} are {shapes}; allowed: a set of the same shape")
    replaced = noise.replaced(labels)
    replacements = noise.replacements(labels, len(foreign))
    chosen = np.isin(replaced, rows)
    target = np.searchsorted(rows, replaced[chosen])
    images, true = images.copy(), true.copy()
    images[target] = foreign[replacements[chosen]]
    true[target] = -1
    return images, true


def _take(images: Pixels, rows: Labels) -> Pixels:
    return images.take(rows) if isinstance(images, Stored) else images[rows]


def _followed_by(images: Pixels, more: Pixels) -> Pixels:
    if isinstance(images, Stored):
        assert isinstance(more, Stored)
        return images.followed_by(more)
    assert not isinstance(more, Stored)
    return np.concatenate([images, more])


def _placed(images: Pixels, device: torch.device | str) -> Images:
    return images.ready(device) if isinstance(images, Stored) else _tensor(images, device)


def _tensor(array: NDArray[Any], device: torch.device | str) -> Tensor:
    return torch.from_numpy(array).to(device)
