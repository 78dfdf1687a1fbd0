"""A trial that the search proposed. Of Optuna, only the handle of its trial is used here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna

from study.spec.sections import Limit
from study.trial import Attempt, Outcome, mean


@dataclass
class Proposed(Attempt):
    """A running trial of the search. An interrupted trial has several attempts, each a separate Optuna trial."""

    handle: optuna.Trial = field(kw_only=True, repr=False)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    measures: dict[int, dict[str, float]] = field(default_factory=dict)
    """Epoch -> `seconds` and the constrained metrics; of pre-training, only `seconds` is used."""
    step: int = -1
    """Last step reported to the pruner, in samples past the stages."""
    pruned_after: int = 0
    """Samples after which the trial was pruned; 0: it was not."""

    @property
    def seconds(self) -> float:
        return math.fsum(measured["seconds"] for measured in self.measures.values())

    def measure(self, row: Mapping[str, Any]) -> None:
        """Add the seconds and the constrained metrics of an epoch; drop those of the same and later epochs."""
        epoch = row["epoch"]
        self.measures = {e: measured for e, measured in self.measures.items() if e < epoch}
        names = ("seconds", *self.limits)
        self.measures[epoch] = {name: math.nan if row.get(name) is None else float(row[name]) for name in names}

    def outcome(self) -> Outcome:
        if self.failure:
            return Outcome("failed", self.failure, self.objective, self.seconds)
        if not self.pruned_after and not math.isfinite(self.objective):
            return Outcome("failed", "no epoch reported the objective")
        measured = (self.objective, self.seconds, self._constraints())
        if self.pruned_after:
            return Outcome("pruned", f"below its rivals after {self.pruned_after} samples", *measured)
        return Outcome("complete", "", *measured)

    def _constraints(self) -> dict[str, float]:
        tail = sorted(self.values)[-self.last :]
        beyond = {}
        for name, limit in self.limits.items():
            value = self.seconds if name == "seconds" else mean([self.measures[epoch][name] for epoch in tail])
            over = [value - limit.max] if limit.max is not None else []
            under = [limit.min - value] if limit.min is not None else []
            # A metric that the method does not measure counts as outside its bounds.
            beyond[name] = math.inf if math.isnan(value) else max(over + under)
        return beyond
