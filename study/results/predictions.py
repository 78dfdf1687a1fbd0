"""Class probabilities that a trial gives to the validation images, as text: rows of epochs and metadata hold them."""

import base64
import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codim.noise.transition import Floats, Labels

SCALE = 255
HEAD = struct.Struct("<II")
"""N and K; N x K probabilities of one byte and N labels of four follow."""
MOST = 2**20
"""Maximum number of probabilities of a trial. With 100 classes that is 10,000 images."""
LIMIT = 2**26
"""Maximum number of bytes that a text may hold: a damaged one must not fill the memory."""


class Predictions(NamedTuple):
    """A trial's predictions."""

    probability: NDArray[np.uint8]
    """(N, K), in 1/255."""
    labels: Labels
    """Given labels of the N images."""


def kept(images: int, classes: int) -> int:
    """Return of how many validation images a trial keeps its predictions: of as many as MOST allows."""
    return min(images, MOST // classes)


def text_bytes(images: int, classes: int) -> int:
    """Return the bytes of their text, if nothing in it can be compressed."""
    return 4 * kept(images, classes) * (classes + 4) // 3


def encode(probability: Floats, labels: Labels) -> str:
    """Return the text of probabilities (N, K) and given labels (N,)."""
    parts = np.round(probability * SCALE).astype(np.uint8), labels.astype("<u4")
    content = HEAD.pack(*probability.shape) + b"".join(part.tobytes() for part in parts)
    return base64.b64encode(zlib.compress(content)).decode()


def decode(text: str) -> Predictions:
    """Return what `encode` was given, with a precision of 1/510. Raises ValueError if the text is damaged."""
    unpacked = zlib.decompressobj()
    try:
        content = unpacked.decompress(base64.b64decode(text, validate=True), LIMIT)
        n, k = HEAD.unpack_from(content)
    except (zlib.error, struct.error) as error:
        raise ValueError(f"predictions: {error}") from None
    if not unpacked.eof or len(content) != HEAD.size + n * (k + 4):
        raise ValueError("predictions: the text is cut or too long")
    probability = np.frombuffer(content, np.uint8, n * k, HEAD.size).reshape(n, k)
    labels = np.frombuffer(content, "<u4", n, HEAD.size + n * k).astype(np.int64)
    if n and labels.max() >= k:
        raise ValueError(f"predictions: label {labels.max()}; allowed: 0 to {k - 1}")
    return Predictions(probability, labels)
