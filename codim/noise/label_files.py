"""Safe readers of label files: nothing in a file is executed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codim.text.label_table import column_name, csv_header, read_columns
from codim.text.safe_text import printable
from codim.text.text_file import parse_json, read_text


def read_label_file(path: Path) -> Any:
    """Read one array (or list, or tensor), or several by name; names are normalised by `column_name`.

    Raises ValueError: the file is damaged, or two names become equal.
    """
    try:
        content = READERS[path.suffix.lower()](path)
    except Exception as error:  # each format has half a dozen types for a damaged file
        raise ValueError(f"label file {printable(path)} cannot be read: {printable(error)}") from error
    if not isinstance(content, dict):
        return content
    named = {column_name(str(name)): values for name, values in content.items()}
    if len(named) < len(content):
        names = ", ".join(printable(name) for name in content)
        raise ValueError(f"label file {printable(path)}: two of its names are the same; found: {names}")
    return named


def _read_torch(path: Path) -> Any:
    import torch  # slow, and few label files need it

    # The published CIFAR-N files are old torch pickles of numpy arrays: allow numeric arrays and nothing else.
    numbers = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"]}
    arrays: list[Any] = [np.ndarray, np.dtype, *numbers]
    reconstruct: Any = np.empty(0).__reduce__()[0]
    with torch.serialization.safe_globals([*arrays, reconstruct, (reconstruct, "numpy.core.multiarray._reconstruct")]):
        return torch.load(path, weights_only=True)


def _read_csv(path: Path) -> dict[str, NDArray[Any]]:
    return {name: _numbers(cells) for name, cells in read_columns(path, csv_header(path)).items()}


def _numbers(cells: list[str]) -> NDArray[Any]:
    try:
        return np.array([int(cell) for cell in cells])
    except ValueError:
        return np.array(cells, dtype=str)


READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".npz": lambda path: dict(np.load(path, allow_pickle=False)),
    ".json": lambda path: parse_json(read_text(path)),
    ".pt": _read_torch,
    ".csv": _read_csv,
}
"""Reader of each file suffix."""
