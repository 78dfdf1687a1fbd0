"""One row an epoch, as it travels from a training to the study, and as it lies beside a checkpoint."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from codim.evaluation.evaluate import NAN
from codim.evaluation.observer import Observer
from codim.metrics import EpochMetrics, OracleMetrics
from codim.runtime.atomic_file import replaced
from codim.training.state import TrainState

Row = dict[str, Any]
"""The fields of EpochMetrics and OracleMetrics."""


def row_of(metrics: EpochMetrics, observer: Observer, state: TrainState) -> Row:
    """Of the epoch that `state` has just done."""
    seen = state.evaluation
    oracle = _UNKNOWN if seen is None else asdict(observer.measure(state.networks, seen, state.divisions))
    return asdict(metrics) | oracle


_UNKNOWN: Row = {f.name: NAN if f.type is float else [] for f in fields(OracleMetrics)}


def write_rows(folder: Path, rows: list[Row]) -> None:
    """Before the checkpoint of the same epoch, so that none is ever without its rows."""
    with replaced(folder / "epochs.json") as file:
        file.write(json.dumps(rows).encode())


def read_rows(folder: Path, epoch: int) -> list[Row]:
    """Those before an epoch. Raises OSError, ValueError: they are not there, or damaged."""
    rows: list[Row] = json.loads((folder / "epochs.json").read_text())
    return [row for row in rows if row["epoch"] < epoch]
