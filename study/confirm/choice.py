"""Choice of the settings to confirm, from the records of the search: a pure function of objectives and settings.

Only information that a user without true labels has is used: no `oracle_*` column (test accuracy, realised noise).
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from codim.config.train_config import TrainConfig
from study.confirm.regret import minimax
from study.dimensions.base import Value
from study.plan.plan import Plan
from study.results.records import TrialRecord
from study.results.rules import FINISHED, counted
from study.results.surrogate import surrogate

MIN_KNOWN = 5
"""Minimum number of complete or pruned searched trials in a condition for objectives to be predicted in it."""


class Chosen(NamedTuple):
    """A setting to confirm, and the condition in which to confirm it."""

    source: TrialRecord
    """Trial of the search with this setting."""
    condition: str


def choose(plan: Plan, records: Iterable[TrialRecord]) -> list[Chosen]:
    """Return per condition its baselines and the top k searched settings; then the robust setting, in every condition.

    Without duplicates. Only complete trials count, ranked by the objective; searched ones must meet the constraints.
    """
    search = sorted((r for r in records if r.phase == "search"), key=lambda record: record.trial)
    complete = [record for record in search if record.status == "complete"]
    chosen = []
    for condition in plan.conditions:
        own = [record for record in complete if record.condition == condition.id]
        best = sorted((r for r in own if r.can_be_best and not r.baseline), key=lambda record: -record.objective)
        baselines = [record for record in own if record.baseline in plan.spec.baselines]
        chosen += [Chosen(r, condition.id) for r in (*baselines, *_distinct(plan, best)[: plan.spec.confirm.top_k])]
    robust, known = robust_setting(plan, search), {(c.source.trial, c.condition) for c in chosen}
    everywhere = [Chosen(robust, condition.id) for condition in plan.conditions] if robust else []
    return chosen + [c for c in everywhere if (c.source.trial, c.condition) not in known]


def robust_setting(plan: Plan, search: Iterable[TrialRecord]) -> TrialRecord | None:
    """Return the complete searched trial with the minimax regret over the conditions (study/confirm/regret.py).

    None if there is only one condition, or one has fewer than MIN_KNOWN trials.
    """
    search = [r for r in search if not r.baseline and r.status in FINISHED]
    candidates = [record for record in search if record.can_be_best]
    settings = [_setting(plan, record) for record in candidates]
    columns, slopes = [], []
    for condition in plan.conditions:
        own = [record for record in search if record.condition == condition.id]
        complete = any(record.status == "complete" for record in own)
        if len(plan.conditions) == 1 or len(own) < MIN_KNOWN or not complete or not candidates:
            return None
        objectives = counted((record.status, record.objective) for record in own)
        known = list(zip((_setting(plan, record) for record in own), objectives, strict=True))
        columns.append(surrogate(plan.spec.space, known)(settings))
        slopes.append(condition.noise.slope(plan.data[condition.id].classes))
    best = minimax(np.stack(columns, axis=1), slopes)
    return None if best is None else candidates[best]


def _setting(plan: Plan, record: TrialRecord) -> dict[str, Value]:
    """Return a record's setting, from its config: params that were read from Parquet have lost their types."""
    return plan.params_of(TrainConfig.model_validate(record.config))


def _distinct(plan: Plan, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the records without those that repeat the setting of an earlier one."""
    kept: list[TrialRecord] = []
    for record in records:
        if _setting(plan, record) not in [_setting(plan, other) for other in kept]:
            kept.append(record)
    return kept
