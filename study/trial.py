"""A trial under way, and how it ended, whoever proposed it. No Ray, no Optuna."""

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
    """How a trial ended."""

    status: Status
    cause: str = ""
    """Why it failed or was pruned."""
    objective: float = math.nan
    seconds: float = math.nan
    """Wall time of the training; NaN where nothing asks for it."""
    constraints: Mapping[str, float] = field(default_factory=dict)
    """Metric -> how far it lies beyond its bounds; 0 or less: within."""


INTERRUPTED = Outcome("failed", "interrupted")
"""Told to Optuna of an attempt that another one continues; such a trial is no trial of the study."""


@dataclass
class Attempt:
    """A trial under way."""

    trial: str
    """Identifier of the record."""
    condition: Condition
    data: ConditionData
    baseline: str
    """Empty for a searched setting."""
    params: dict[str, Value]
    config: TrainConfig
    last: int
    """The k of mean_last_<k>."""
    values: dict[int, float] = field(default_factory=dict)
    """Epoch -> metric."""
    lost: str = ""
    """Why its worker was lost last; it may have gone on in another."""
    failure: str = ""
    """Why it must be told as failed."""
    setting: str = ""
    """Of a confirmation: the trial of the search whose setting it repeats."""

    @property
    def phase(self) -> Phase:
        return "confirm" if self.setting else "search"

    @property
    def objective(self) -> float:
        """Mean of the last k values so far; NaN before the first."""
        return mean([self.values[epoch] for epoch in sorted(self.values)][-self.last :])

    def heard(self, epoch: int, value: float) -> None:
        """Take in one epoch; it and those after it, of an attempt that was cut short, are replaced."""
        self.values = {e: known for e, known in self.values.items() if e < epoch} | {epoch: value}

    def outcome(self) -> Outcome:
        """Now that it has ended."""
        return Outcome("failed" if self.failure else "complete", self.failure, self.objective)


A = TypeVar("A", bound=Attempt)


class Queue(Protocol[A]):
    """What Tune is given trials from: the search, or the confirmations."""

    def next(self) -> A | None:
        """The next trial; None when all are given out."""

    def hear(self, attempt: A, row: Mapping[str, Any], *, replayed: bool = False) -> bool:
        """Take in one epoch; False: the trial must stop. `replayed`: of an earlier attempt, never a reason to stop."""

    def tell(self, attempt: A, outcome: Outcome) -> None:
        """The end of a trial; its record is written before."""


def mean(values: list[float]) -> float:
    """NaN for none."""
    return math.fsum(values) / len(values) if values else math.nan
