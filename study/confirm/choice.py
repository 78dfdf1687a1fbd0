"""Choice of the settings to confirm, from the records of the search: a pure function of objectives and settings.

Settings are compared by the model of all trials (study/surrogate/process.py), not by their objectives: the best
objective of many is the luckiest, and where labels are noisiest it says little about the setting. Only information that
a user without true labels has is used: no `oracle_*` column (test accuracy, realised noise).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from codim.config.train_config import TrainConfig
from codim.noise.transition import Floats
from study.dimensions.base import Value
from study.plan.plan import Plan
from study.plan.tasks import tasks_of
from study.results.records import TrialRecord
from study.results.rules import FINISHED, compared, counted
from study.spec.conditions import Condition
from study.surrogate.task import Known

MIN_KNOWN = 5
"""Minimum number of complete or pruned searched trials in each condition for a setting to be called robust."""
DIGITS = 9
"""Digits behind the point to which values are told."""


class Chosen(NamedTuple):
    """A setting to confirm, and the condition in which to confirm it."""

    source: TrialRecord
    """Trial of the search with this setting."""
    condition: str


def choose(plan: Plan, records: Iterable[TrialRecord]) -> list[Chosen]:
    """Return per condition its baselines and the top k searched settings; then the robust setting, in every condition.

    Without duplicates. Only complete trials count; searched ones must meet the constraints.
    """
    search = sorted((r for r in records if r.phase == "search"), key=lambda record: record.trial)
    model, chosen = Values(plan, search), list[Chosen]()
    for condition in plan.conditions:
        own = [record for record in search if record.condition == condition.id]
        best = model.ranked(_distinct(plan, [r for r in own if r.can_be_best and not r.baseline]), condition)
        baselines = [r for r in own if r.status == "complete" and r.baseline in plan.spec.baselines]
        chosen += [Chosen(record, condition.id) for record in (*baselines, *best[: plan.spec.confirm.top_k])]
    robust, known = _robust(plan, search, model), {(c.source.trial, c.condition) for c in chosen}
    everywhere = [Chosen(robust, condition.id) for condition in plan.conditions] if robust else []
    return chosen + [c for c in everywhere if (c.source.trial, c.condition) not in known]


def robust_setting(plan: Plan, search: Iterable[TrialRecord]) -> TrialRecord | None:
    """Return the complete searched trial whose setting has the smallest maximal regret over the conditions (minimax
    regret, Savage 1951), in points of accuracy on true labels as the model predicts them.

    None if there is only one condition, one has fewer than MIN_KNOWN trials, or no objective can rank.
    """
    search = list(search)
    return _robust(plan, search, Values(plan, search))


def _robust(plan: Plan, search: Sequence[TrialRecord], model: "Values") -> TrialRecord | None:
    search = [r for r in search if not r.baseline and r.status in FINISHED]
    candidates = [record for record in search if record.can_be_best]
    for condition in plan.conditions:
        own = [record for record in search if record.condition == condition.id]
        if len(own) < MIN_KNOWN or not any(record.status == "complete" for record in own):
            return None
    ranking = [condition for condition in plan.conditions if model.tasks[condition.id].ranks]
    if len(plan.conditions) == 1 or not ranking or not candidates:
        return None
    return candidates[minimax(np.stack([model.of(candidates, condition) for condition in ranking], axis=1))]


def minimax(values: Floats) -> int:
    """Return the index of the candidate with the smallest maximal regret, the first if tied.

    Args:
        values: (candidates, conditions); the regret is the best of a condition minus it.
    """
    return int((values.max(0) - values).max(1).argmin())


def trial_values(plan: Plan, records: Iterable[TrialRecord]) -> dict[str, float]:
    """Return searched trial -> TrialRecord.value, for those that are complete or pruned; empty where the trials of no
    condition can be ranked."""
    search = sorted((r for r in records if r.phase == "search"), key=lambda record: record.trial)
    model, found = Values(plan, search), dict[str, float]()
    if not model.ranks:
        return found
    for condition in plan.conditions:
        own = [r for r in search if r.condition == condition.id and not r.baseline and r.status in FINISHED]
        # Repeats of a setting differ in their last bits.
        values = model.of(own, condition).round(DIGITS).tolist() if own else []
        found |= zip((record.trial for record in own), values, strict=True)
    return found


class Values:
    """Predicted values of settings, from finished searched trials and baselines that are points of the space."""

    def __init__(self, plan: Plan, search: Sequence[TrialRecord]) -> None:
        from study.surrogate.process import fit  # imports torch

        self.plan, self.tasks = plan, tasks_of(plan)
        inside = {
            (condition.id, name)
            for condition in plan.conditions
            for name in plan.spec.baselines
            if plan.baseline_point(condition, name)
        }
        finished = [
            record
            for record in search
            if record.status in FINISHED and (not record.baseline or (record.condition, record.baseline) in inside)
        ]
        known = []
        for condition in plan.conditions:
            own = [record for record in finished if record.condition == condition.id]
            objectives = counted((record.status, compared(record.objective, record.consensus)) for record in own)
            known += [
                Known(condition.id, _setting(plan, record), value)
                for record, value in zip(own, objectives, strict=True)
            ]
        self._model = fit(plan.spec.space, self.tasks, known)

    @property
    def ranks(self) -> bool:
        return self._model is not None

    def of(self, records: Sequence[TrialRecord], condition: Condition) -> Floats:
        """Return the value of each record's setting at a condition, up to a constant; its objective where the trials of
        no condition can be ranked."""
        if self._model is None:
            return np.array([compared(record.objective, record.consensus) for record in records])
        return self._model.mean([_setting(self.plan, record) for record in records], self.tasks[condition.id])

    def ranked(self, records: Sequence[TrialRecord], condition: Condition) -> list[TrialRecord]:
        """Return the records, the best setting first."""
        return [records[i] for i in np.argsort(-self.of(records, condition), kind="stable")] if records else []


def _setting(plan: Plan, record: TrialRecord) -> dict[str, Value]:
    """Return a record's setting, from its config: params that were read from Parquet have lost their types."""
    return plan.params_of(TrainConfig.model_validate(record.config))


def _distinct(plan: Plan, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the records without those that repeat the setting of an earlier one."""
    kept: dict[tuple[tuple[str, Value], ...], TrialRecord] = {}
    for record in records:
        kept.setdefault(tuple(_setting(plan, record).items()), record)
    return list(kept.values())
