"""Class probabilities that a trial gives to the validation images, as text: rows of epochs and metadata hold them."""

import base64
import io
import zipfile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codim.noise.transition import Floats, Labels

SCALE = 255


class Predictions(NamedTuple):
    """A trial's predictions."""

    probability: NDArray[np.uint8]
    """(N, K), in 1/255."""
    labels: Labels
    """Given labels of the N images."""


def encode(probability: Floats, labels: Labels) -> str:
    """Return the text of probabilities (N, K) and given labels (N,)."""
    file = io.BytesIO()
    np.savez_compressed(file, probability=np.round(probability * SCALE).astype(np.uint8), labels=labels)
    return base64.b64encode(file.getvalue()).decode()


def decode(text: str) -> Predictions:
    """Return what `encode` was given, with a precision of 1/510. Raises ValueError if the text is damaged."""
    try:
        with np.load(io.BytesIO(base64.b64decode(text, validate=True)), allow_pickle=False) as file:
            found = Predictions(file["probability"], file["labels"])
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"predictions: {error}") from None
    n = len(found.labels)
    if found.probability.dtype != np.uint8 or found.probability.shape[:1] != (n,) or found.labels.shape != (n,):
        raise ValueError("predictions: allowed: probabilities (N, K) of 8 bits, and labels (N,)")
    return found
