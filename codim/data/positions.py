"""Files that name training images by their positions."""

from pathlib import Path

import numpy as np

from codim.noise.transition import Labels
from codim.text.safe_text import printable


def read_positions(path: Path, setting: str) -> Labels:
    """Read a .npy, or text with one number per line: zero-based positions in the training set; return them sorted, each
    once. Raises ValueError, which names the setting."""
    try:
        index = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, dtype=np.int64)
    except (OSError, ValueError) as error:
        raise ValueError(f"{setting}: {printable(path)} cannot be read as a list of numbers: {error}") from None
    index = np.atleast_1d(index)
    if index.ndim != 1 or index.dtype.kind not in "iu" or not len(index):
        raise ValueError(f"{setting}: {printable(path)} must hold whole numbers, one for each labelled image")
    return np.unique(index).astype(np.int64)
