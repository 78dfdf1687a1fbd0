"""Rows of a training, one per epoch, as they lie beside a checkpoint."""

import json
import os
from pathlib import Path

from codim.training.session import Row


def write_rows(folder: Path, rows: list[Row]) -> None:
    """Before the checkpoint of the same epoch, so that none is ever without its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".epochs.json.{os.getpid()}"
    with scratch.open("w") as file:
        json.dump(rows, file)
        file.flush()
        os.fsync(file.fileno())  # a power cut must not leave a checkpoint without its rows
    scratch.replace(folder / "epochs.json")


def read_rows(folder: Path, epoch: int) -> list[Row]:
    """Those before an epoch. Raises OSError, ValueError: they are not there, or damaged."""
    rows: list[Row] = json.loads((folder / "epochs.json").read_text())
    return [row for row in rows if row["epoch"] < epoch]
