"""Image files that a program names one by one, as an array."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codim.config.data import MOST_MEGAPIXELS
from codim.data.images.decode import decode_blocks

SIDE = 128
"""Side of the squares to which files are cut for training, in pixels."""


def is_paths(samples: Any) -> bool:
    """Whether samples are the paths of files: text or paths, (N,) or in one column (N, 1)."""
    values = np.asarray(samples, dtype=object) if isinstance(samples, Sequence) else np.asarray(samples)
    one_each = values.size > 0 and values.shape in ((values.size,), (values.size, 1))
    return one_each and all(isinstance(value, str | Path) for value in values.ravel().tolist())


def read_images(paths: Any, shape: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """Read image files as (N, H, W, C): central crops of the shape (C, H, W), by default RGB squares of SIDE.

    Raises ValueError: a file cannot be read as an image; names the first.
    """
    channels, height, width = shape if shape is not None and len(shape) == 3 else (3, SIDE, SIDE)
    found: list[NDArray[np.uint8]] = []
    names = [Path(path) for path in np.asarray(paths, dtype=object).ravel().tolist()]
    for _, decoded in decode_blocks(names, (channels, height, width), MOST_MEGAPIXELS):
        for image in decoded:
            if isinstance(image, ValueError):
                raise image
            found.append(image.transpose(1, 2, 0))
    return np.stack(found)
