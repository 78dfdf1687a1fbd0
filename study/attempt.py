"""A trial under way, and how it ends. No Optuna here but the handle that tells it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna

from codim.config import TrainConfig
from study.conditions import Condition
from study.records import Status, Value
from study.spec import Limit


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    status: Status
    cause: str = ""
    """Why it failed or was pruned."""
    objective: float = math.nan
    seconds: float = math.nan
    """Wall time of the training."""
    constraints: Mapping[str, float] = field(default_factory=dict)
    """Metric -> how far it lies beyond its bounds; 0 or less: within."""


INTERRUPTED = Outcome("failed", "interrupted")
"""Told to Optuna of an attempt that another one continues; such a trial is no trial of the study."""


@dataclass
class Attempt:
    """A trial under way. A trial that was interrupted has several attempts, each an Optuna trial of its own."""

    trial: str
    """Identifier of the record: <condition>-<four digits>."""
    condition: Condition
    baseline: str
    """Empty for a searched trial."""
    params: dict[str, Value]
    config: TrainConfig
    handle: optuna.Trial = field(repr=False)
    last: int
    """The k of mean_last_<k>."""
    limits: Mapping[str, Limit] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    """Epoch -> metric."""
    measures: dict[int, dict[str, float]] = field(default_factory=dict)
    """Epoch -> `seconds` and what the limits bound; of pre-training `seconds` only counts."""
    step: int = -1
    """Last step given to the pruner, in thousands of samples."""
    lost: str = ""
    """Why its worker was lost last; it may have gone on in another."""
    failure: str = ""
    """Why it must be told as failed."""
    pruned: bool = False

    @property
    def objective(self) -> float:
        """Mean of the last k values so far; NaN before the first."""
        return _mean([self.values[epoch] for epoch in sorted(self.values)][-self.last :])

    @property
    def seconds(self) -> float:
        return math.fsum(measured["seconds"] for measured in self.measures.values())

    def measure(self, row: Mapping[str, Any]) -> None:
        """Take in what an epoch cost, and what the limits bound; an epoch that is repeated replaces what came after."""
        epoch = row["epoch"]
        self.measures = {e: measured for e, measured in self.measures.items() if e < epoch}
        names = ("seconds", *self.limits)
        self.measures[epoch] = {name: math.nan if row.get(name) is None else float(row[name]) for name in names}

    def outcome(self) -> Outcome:
        """Now that it has ended."""
        if self.failure:
            return Outcome("failed", self.failure, self.objective, self.seconds)
        if not self.pruned and not math.isfinite(self.objective):
            return Outcome("failed", "no epoch reported the objective")
        measured = (self.objective, self.seconds, self._constraints())
        if self.pruned:
            return Outcome("pruned", f"below its rivals after {self.step},000 samples", *measured)
        return Outcome("complete", "", *measured)

    def _constraints(self) -> dict[str, float]:
        tail = sorted(self.values)[-self.last :]
        beyond = {}
        for name, limit in self.limits.items():
            value = self.seconds if name == "seconds" else _mean([self.measures[epoch][name] for epoch in tail])
            over = [value - limit.max] if limit.max is not None else []
            under = [limit.min - value] if limit.min is not None else []
            # What a method does not measure cannot be shown to keep the bound.
            beyond[name] = math.inf if math.isnan(value) else max(over + under)
        return beyond


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
