"""Rows of a training, one per epoch, as they lie beside a checkpoint."""

import json
from pathlib import Path

from codim.runtime.atomic_file import replaced
from codim.training.session import Row


def write_rows(folder: Path, rows: list[Row]) -> None:
    """Before the checkpoint of the same epoch, so that none is ever without its rows."""
    with replaced(folder / "epochs.json") as file:
        file.write(json.dumps(rows).encode())


def read_rows(folder: Path, epoch: int) -> list[Row]:
    """Those before an epoch. Raises OSError, ValueError: they are not there, or damaged."""
    rows: list[Row] = json.loads((folder / "epochs.json").read_text())
    return [row for row in rows if row["epoch"] < epoch]
