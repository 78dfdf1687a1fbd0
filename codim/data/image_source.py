"""What a data set is: what its loader gives. The loaders (codim/data/cifar.py, ...) build on this module,
codim/data/load.py on the loaders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codim.config.data import DataConfig
from codim.data.images.image_cache import CachedImages, ImageCache
from codim.noise.transition import Labels
from codim.runtime.user_cache import user_cache

Pixels = NDArray[np.uint8] | CachedImages


@dataclass(frozen=True)
class ImageSource:
    """A data set as its authors give it: uint8 images (N, C, H, W) and labels (N,), by part."""

    images: Pixels
    """Of the training part."""
    labels: Labels
    """True ones, or, without `truth_known`, those that the authors have."""
    test_images: Pixels
    """None of them where the data have no test part."""
    test_labels: Labels
    classes: tuple[str, ...]
    val_images: Pixels | None = None
    """The official validation part, where there is one."""
    val_labels: Labels | None = None
    second_test_images: Pixels | None = None
    """A second test part of the same classes, where there is one."""
    second_test_labels: Labels | None = None
    truth_known: bool = True
    """False: nobody knows the true labels of the training part."""


Loader = Callable[[DataConfig], ImageSource]


def cached_parts(config: DataConfig, root: Path, parts: Sequence[Sequence[str]]) -> list[CachedImages]:
    """The images of each part, in one cache that holds each name once; files below `root`. Nothing is decoded yet."""
    place: dict[str, int] = {}
    rows = [np.array([place.setdefault(name, len(place)) for name in part], dtype=np.int64) for part in parts]
    folder = config.cache or (user_cache() if config.facts.own else root / ".codim-cache")
    cache = ImageCache(folder, root, list(place), config.cache_size, config.megapixels)
    return [CachedImages(cache, own) for own in rows]
