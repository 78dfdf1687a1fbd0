"""Rows of a training, one per epoch, as they lie beside a checkpoint."""

import json
from pathlib import Path

from codim.runtime.atomic_file import replaced
from codim.training.session import Row


def write_rows(folder: Path, rows: list[Row]) -> None:
    """Write the rows; call it before saving the checkpoint of the same epoch, so that none is ever without its rows."""
    with replaced(folder / "epochs.json") as file:
        file.write(json.dumps(rows).encode())


def read_rows(folder: Path, epoch: int) -> list[Row]:
    """Return the rows before `epoch`. Raises OSError or ValueError if they are missing or damaged."""
    rows: list[Row] = json.loads((folder / "epochs.json").read_text())
    return [row for row in rows if row["epoch"] < epoch]
