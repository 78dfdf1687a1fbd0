"""What every logger offers."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from study.results.records import TrialRecord

Values = dict[str, float]


class Run(Protocol):
    """One trial in one of them."""

    last_epoch: int
    """Epochs up to here are there already, from an earlier driver."""

    def log(self, epoch: int, samples: int, values: Values) -> None: ...

    def end(self, record: TrialRecord) -> None: ...


def values_of(row: Mapping[str, Any]) -> Values:
    """The numbers of an epoch, those that only an observer knows under a name of their own."""
    numbers = {k: float(v) for k, v in row.items() if isinstance(v, int | float) and k not in ("epoch", "samples")}
    return {
        f"oracle/{name.removeprefix('oracle_')}" if name.startswith("oracle_") else f"epoch/{name}": value
        for name, value in numbers.items()
        if math.isfinite(value)
    }
