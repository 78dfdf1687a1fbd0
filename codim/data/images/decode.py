"""The one decoder of image files to uint8 arrays of one shape, for training, predictions and audits."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base as Tag

from codim.config.data import MOST_MEGAPIXELS
from codim.data.images.bit_depth import eight_bits
from codim.runtime.progress_bar import progress
from codim.text.safe_text import printable

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
"""Formats that are read, whatever the file's name; none of them runs another program."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transposition for each EXIF orientation; any other value means upright."""
BLOCK = 128
"""Number of decoded images held in memory at a time."""
Decoded = NDArray[np.uint8] | ValueError

Image.MAX_IMAGE_PIXELS = None  # this limit is global; `megapixels` below limits each file


def read_image(path: Path, shape: tuple[int, int, int], megapixels: float = MOST_MEGAPIXELS) -> NDArray[np.uint8]:
    """Read an image file as (C, H, W) of the given shape, C 1 or 3: upright by its EXIF tag, the largest central crop
    of the right aspect ratio, scaled (bilinear, antialiased).

    Deep grey levels become 8 bits (codim/data/images/bit_depth.py); CMYK and palette images become RGB, transparency is
    dropped, and only the first frame of an animation is read. A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size if
    that is not below the shape. Pixels with damaged EXIF data are not rotated.

    Raises:
        ValueError: the file is missing, truncated, too large or not an image; names it.
    """
    channels, height, width = shape
    mode = "L" if channels == 1 else "RGB"
    try:
        with Image.open(path, formats=FORMATS) as file:
            _require_size(file, megapixels)
            side = max(height, width)
            file.draft(mode, (side, side))
            file.load()
            image = eight_bits(file)
            image = image if image.mode == mode else image.convert("RGB").convert(mode)
            turn = TURNS.get(_orientation(file))
        fitted = ImageOps.fit(
            image if turn is None else image.transpose(turn), (width, height), Image.Resampling.BILINEAR
        )
    except UnidentifiedImageError:
        raise ValueError(
            f"{printable(path)} cannot be read as an image: it is not one of {', '.join(FORMATS)}"
        ) from None
    except Exception as error:  # Pillow raises errors of any type for damaged files
        what = printable(error) or type(error).__name__
        raise ValueError(f"{printable(path)} cannot be read as an image: {what}") from error
    return np.ascontiguousarray(np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1))


def decode_square(path: Path, size: int, megapixels: float = MOST_MEGAPIXELS) -> NDArray[np.uint8]:
    """Read an image file as RGB square (3, size, size). Raises ValueError as `read_image`."""
    return read_image(path, (3, size, size), megapixels)


def decode_blocks(
    paths: Sequence[Path], shape: tuple[int, int, int], megapixels: float
) -> Iterator[tuple[Sequence[Path], list[Decoded]]]:
    """Yield BLOCK paths at a time with their images or errors, in order, decoded by one thread per CPU (Pillow releases
    the GIL).

    Memory: BLOCK images of the shape, and one full-size file per thread.
    """

    def attempt(path: Path) -> Decoded:
        try:
            return read_image(path, shape, megapixels)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for start in range(0, len(paths), BLOCK):
            block = paths[start : start + BLOCK]
            yield block, list(pool.map(attempt, block))


def decode_all(
    paths: Sequence[Path], size: int, note: str, megapixels: float = MOST_MEGAPIXELS
) -> Iterator[tuple[int, Decoded]]:
    """Yield (position, RGB square or error) in order, and show the progress."""
    position = 0
    with progress(note, len(paths), "images") as meter:
        for _, block in decode_blocks(paths, (3, size, size), megapixels):
            for found in block:
                yield position, found
                position += 1
                meter.advance()


def _require_size(file: Image.Image, megapixels: float) -> None:
    found = file.width * file.height / 1e6
    if found > megapixels:
        raise ValueError(f"{found:.0f} megapixels, allowed by data/max_megapixels: {megapixels:g}")


def _orientation(file: Image.Image) -> int:
    try:
        found = file.getexif().get(Tag.Orientation)
    except Exception:  # as above; the pixels are whole
        return 1
    return found if isinstance(found, int) else 1
