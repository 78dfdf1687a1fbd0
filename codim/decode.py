"""Image files of any kind -> square uint8 images of one size."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""Files that count as images in a folder of own data."""
BLOCK = 128
"""Decoded images held at a time."""


def decode_square(path: Path, size: int) -> NDArray[np.uint8]:
    """(3, size, size) RGB: upright by its EXIF tag, short side resized to `size` (bilinear, antialiased), the square in
    the middle.

    Grey (8 or 16 bits), CMYK and palette images become RGB, transparency is dropped, of an animation the first frame
    counts. A large JPEG is read at 1/2, 1/4 or 1/8 of its size where that is still not below `size`.

    Raises:
        ValueError: the file is missing, truncated or no image; names it.
    """
    try:
        with Image.open(path) as file:
            file.draft("RGB", (size, size))
            image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I;16"):  # Pillow would clip at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert("RGB")
        square = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def decode_all(paths: Sequence[Path], size: int, note: str) -> Iterator[tuple[int, NDArray[np.uint8] | ValueError]]:
    """Yield (position, image or what is wrong with it) in order, decoded by a thread per CPU (Pillow decodes outside
    Python's lock), with a progress bar and the time left on the terminal.

    Memory: BLOCK squares of 3 * size^2 bytes, and one file at full size per thread.
    """

    def attempt(path: Path) -> NDArray[np.uint8] | ValueError:
        try:
            return decode_square(path, size)
        except ValueError as error:
            return error

    columns = TextColumn(note), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task("", total=len(paths))
        for start in range(0, len(paths), BLOCK):
            for offset, found in enumerate(pool.map(attempt, paths[start : start + BLOCK])):
                yield start + offset, found
                progress.advance(task)
