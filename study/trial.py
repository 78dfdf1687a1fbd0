"""A running trial and its outcome, independent of who proposed it. No Ray, no Optuna."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from codim.config.train_config import TrainConfig
from study.dimensions.base import Value
from study.results.json_schema import Phase, Status
from study.spec.conditions import Condition, ConditionData


@dataclass(frozen=True)
class Outcome:
    """Result of a trial that ended: status, cause and measured values."""

    status: Status
    cause: str = ""
    """Why the trial failed or was pruned; empty otherwise."""
    objective: float = math.nan
    seconds: float = math.nan
    """Wall time of the training; NaN where it is not measured."""
    constraints: Mapping[str, float] = field(default_factory=dict)
    """Metric -> distance beyond its bounds; 0 or less: within them."""


INTERRUPTED = Outcome("failed", "interrupted")
"""Outcome reported to Optuna when an attempt is interrupted and retried; it does not count as a trial."""


@dataclass
class Attempt:
    """A running trial: its settings, and the values that it has reported so far."""

    trial: str
    """Identifier of the trial's record."""
    condition: Condition
    data: ConditionData
    baseline: str
    """Name of the baseline; empty for a searched setting."""
    params: dict[str, Value]
    config: TrainConfig
    last: int
    """Number of last epochs that the objective averages: the k of mean_last_<k>."""
    values: dict[int, float] = field(default_factory=dict)
    """Epoch -> value of the objective's metric."""
    lost: str = ""
    """Why its worker was last lost; the trial may have continued in another worker."""
    failure: str = ""
    """Reason to report the trial as failed; empty: none."""
    setting: str = ""
    """For a confirmation, the trial of the search whose setting it repeats; empty in the search."""

    @property
    def phase(self) -> Phase:
        return "confirm" if self.setting else "search"

    @property
    def objective(self) -> float:
        """Mean of the last `last` values so far; NaN before the first."""
        return mean([self.values[epoch] for epoch in sorted(self.values)][-self.last :])

    def observe(self, epoch: int, value: float) -> None:
        """Add the value of one epoch; drop those of the same and later epochs, from an attempt that was cut short."""
        self.values = {e: known for e, known in self.values.items() if e < epoch} | {epoch: value}

    def outcome(self) -> Outcome:
        """Return the outcome of the trial, once it has ended."""
        return Outcome("failed" if self.failure else "complete", self.failure, self.objective)


A = TypeVar("A", bound=Attempt)


class Queue(Protocol[A]):
    """Source of the trials that Tune runs: the search, or the confirmations."""

    def ask(self) -> A | None:
        """Return the next trial to run; None when all have been handed out."""

    def report(self, attempt: A, row: Mapping[str, Any], *, replayed: bool = False) -> bool:
        """Process one epoch; False: the trial must stop. `replayed`: trained by an earlier attempt, never a stop."""

    def tell(self, attempt: A, outcome: Outcome) -> None:
        """Process the end of a trial, after its record has been written."""


def mean(values: list[float]) -> float:
    """Return the mean of `values`; NaN if there are none."""
    return math.fsum(values) / len(values) if values else math.nan
