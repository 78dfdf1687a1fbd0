"""Interface of every logger."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from study.results.records import TrialRecord

Values = dict[str, float]


class Run(Protocol):
    """One trial in one logger."""

    last_epoch: int
    """Last epoch that is already logged, possibly by an earlier driver; -1: none."""

    def log(self, epoch: int, samples: int, values: Values) -> None: ...

    def end(self, record: TrialRecord) -> None: ...


def values_of(row: Mapping[str, Any]) -> Values:
    """Return the finite numbers of an epoch, named epoch/<name>, or oracle/<name> if only an observer knows them."""
    numbers = {k: float(v) for k, v in row.items() if isinstance(v, int | float) and k not in ("epoch", "samples")}
    return {
        f"oracle/{name.removeprefix('oracle_')}" if name.startswith("oracle_") else f"epoch/{name}": value
        for name, value in numbers.items()
        if math.isfinite(value)
    }
