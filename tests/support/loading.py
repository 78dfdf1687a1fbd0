"""Data sets that lie in files, for the tests beside this file."""

from pathlib import Path
from typing import Any

from codim.config.data import DataConfig
from codim.data.image_source import ImageSource
from codim.data.images.image_cache import CachedImages
from codim.data.load import DATASETS


def config(name: str, root: Path, **more: Any) -> DataConfig:
    return DataConfig.model_validate({"name": name, "root": root, "cache_size": 8, **more})


def load(name: str, root: Path, **more: Any) -> ImageSource:
    return DATASETS[name](config(name, root, **more))


def levels(images: Any) -> list[int]:
    """By which `save_plain` marked each image."""
    assert isinstance(images, CachedImages)
    found: list[int] = images[:][:, 0, 0, 0].tolist()
    return found
