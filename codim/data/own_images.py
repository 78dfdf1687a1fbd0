"""Own images: a folder per class, or a table of files and labels.

Only the given labels are known: true labels count as unknown, whatever noise is added, unless `data/labels_are_true`
vouches for them. Without a test part no test
accuracy is measured (NaN); nothing is silently held out for one.
"""

import numpy as np

from codim.config.data import DataConfig
from codim.config.datasets import NOT_HERE
from codim.data.image_source import ImageSource, cached_parts
from codim.data.own_files import OwnImages, own_images
from codim.text.parts import PARTS
from codim.text.safe_text import printable


def folder(config: DataConfig) -> ImageSource:
    """Load the images of `data/root`, a folder per class. Raises ValueError as `folder_images`, or as `_source`."""
    return _source(config, own_images(config).logged())


def table(config: DataConfig) -> ImageSource:
    """Load the images listed in the table `data/root`. Raises ValueError as `table_images`, or as `_source`."""
    return _source(config, own_images(config).logged())


def in_memory(config: DataConfig) -> ImageSource:
    """Raise ValueError: only the program that called `codim.train` has these samples."""
    raise ValueError(NOT_HERE)


def _source(config: DataConfig, own: OwnImages) -> ImageSource:
    """Build the source of own images. Raises ValueError: there is a part `val` without `data/validation: official`."""
    parts = [own.rows[part] for part in PARTS]
    if parts[1] and config.validation != "official":
        raise ValueError(
            f"{printable(config.place)}: {len(parts[1])} images are marked as validation part, but data/validation is "
            f"{config.validation!r}; set data/validation: official, or remove them"
        )
    images = cached_parts(config, own.root, [[row.path for row in part] for part in parts])
    number = {name: k for k, name in enumerate(own.classes)}
    labels = [np.array([number[row.label] for row in part], dtype=np.int64) for part in parts]
    val_images, val_labels = (images[1], labels[1]) if parts[1] else (None, None)
    return ImageSource(
        images[0],
        labels[0],
        images[2],
        labels[2],
        own.classes,
        val_images,
        val_labels,
        trusted=np.array([row.trusted for row in parts[0]], dtype=bool),
        truth_known=config.labels_are_true,
    )
