"""Type of a data set as its loader returns it. Loaders (codim/data/cifar.py, ...) import it, codim/data/load.py
them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codim.config.data import DataConfig
from codim.data.images.image_cache import CachedImages, ImageCache
from codim.data.stored import Pixels
from codim.noise.transition import Labels
from codim.runtime.user_cache import user_cache


@dataclass(frozen=True)
class ImageSource:
    """A data set as published: uint8 images (N, C, H, W), or embeddings (N, D), and labels (N,), by part."""

    images: Pixels
    """Images of the training part."""
    labels: Labels
    """True labels of the training part, or, without `truth_known`, the published ones."""
    test_images: Pixels
    """Images of the test part; empty if there is none."""
    test_labels: Labels
    classes: tuple[str, ...]
    val_images: Pixels | None = None
    """Images of the official validation part, if any."""
    val_labels: Labels | None = None
    second_test_images: Pixels | None = None
    """Images of a second test part with the same classes, if any."""
    second_test_labels: Labels | None = None
    trusted: NDArray[np.bool_] | None = None
    """Which labels of the training part somebody has checked, (N,), if the source says so."""
    truth_known: bool = True
    """Whether the true labels of the training part are known."""


Loader = Callable[[DataConfig], ImageSource]


def cached_parts(config: DataConfig, root: Path, parts: Sequence[Sequence[str]]) -> list[CachedImages]:
    """Open one cache for the files of all parts, which may share files, below `root`. Nothing is decoded yet."""
    place: dict[str, int] = {}
    rows = [np.array([place.setdefault(name, len(place)) for name in part], dtype=np.int64) for part in parts]
    folder = config.cache or (user_cache() if config.facts.own else root / ".codim-cache")
    cache = ImageCache(folder, root, list(place), config.cache_size, config.megapixels)
    return [CachedImages(cache, own) for own in rows]
