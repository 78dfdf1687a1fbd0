"""Conversion of grey levels of more than 8 bits to 8 bits, by what the file declares, never by its pixel values.

Integers keep the 8 highest bits of their declared depth: 16 (PNG, TIFF), 12 (TIFF), or the maximum that a PGM names. A
TIFF with 32-bit integers does not declare which are used: values up to 65535 are taken as 16 bits. Floats are black at
0 and white at 1. Anything else has no known range (signed integers, other 32-bit integers, floats beyond 1) and is
refused.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import SAMPLEFORMAT, TiffImageFile

SIGNED = 2
"""Sample format of signed integers in TIFF."""
WHITE_IS_ZERO = 0
"""Photometric interpretation in TIFF in which 0 is white."""


def eight_bits(image: Image.Image) -> Image.Image:
    """Convert an image to 8 bits, unless it has 8 already. Raises ValueError: the range of its levels is unknown."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    levels = _of_floats(values) if image.mode == "F" else _of_integers(values, image)
    if isinstance(image, TiffImageFile) and image.tag_v2.get(Tag.PhotometricInterpretation) == WHITE_IS_ZERO:
        levels = 255 - levels
    return Image.fromarray(levels)


def _of_integers(values: NDArray[np.integer], image: Image.Image) -> NDArray[np.uint8]:
    bits = 16
    if isinstance(image, TiffImageFile):
        declared = image.tag_v2.get(Tag.BitsPerSample, (bits,))[0]
        signed = image.tag_v2.get(SAMPLEFORMAT, (1,))[0] == SIGNED
        if declared == 32:
            _require_sixteen(int(values.min()), int(values.max()))
        elif signed:
            raise ValueError(
                f"signed {declared}-bit integers have no known black and white point; allowed: unsigned integers"
            )
        else:
            bits = declared
    return (values >> (bits - 8)).astype(np.uint8)


def _require_sixteen(least: int, most: int) -> None:
    if least < 0 or most > 65535 or 0 < most < 256:
        raise ValueError(
            f"32-bit integers from {least} to {most} have no known black and white point; allowed: 16-bit values "
            "(0 to 65535, the largest above 255), or a file of 8 or 16 bits"
        )


def _of_floats(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"floating-point values from {values.min():g} to {values.max():g} have no known black and white point; "
            "allowed: 0 (black) to 1 (white)"
        )
    return (values * 255).round().astype(np.uint8)
