"""Reads files of labels: whatever they hold, nothing in them is executed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_label_file(path: Path) -> Any:
    """What the file holds: one array (or list, or tensor), or several by name. Raises ValueError: it is damaged."""
    try:
        return READERS[path.suffix](path)
    except Exception as error:  # each format has half a dozen types for a damaged file
        raise ValueError(f"label file {path} cannot be read: {error}") from error


def _read_torch(path: Path) -> Any:
    import torch  # slow, and few label files need it

    # The published CIFAR-N files are old torch pickles around numpy arrays: admit arrays of numbers and nothing else.
    numbers = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"]}
    arrays: list[Any] = [np.ndarray, np.dtype, *numbers]
    reconstruct: Any = np.empty(0).__reduce__()[0]
    with torch.serialization.safe_globals([*arrays, reconstruct, (reconstruct, "numpy.core.multiarray._reconstruct")]):
        return torch.load(path, weights_only=True)


def _read_csv(path: Path) -> dict[str, NDArray[Any]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, NDArray[Any]] = {}
    for name in rows[0] if rows else ():
        try:
            columns[name] = np.array([int(row[name]) for row in rows])
        except (TypeError, ValueError):
            columns[name] = np.array([row[name] for row in rows], dtype=str)
    return columns


READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".npz": lambda path: dict(np.load(path, allow_pickle=False)),
    ".json": lambda path: json.loads(path.read_text()),
    ".pt": _read_torch,
    ".csv": _read_csv,
}
"""By suffix."""
