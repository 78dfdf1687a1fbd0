"""The second phase: what the search chose is trained again, on labels and with seeds that the search never saw.

Each setting is trained `confirm/seeds` times, at the search's budget in samples, on training and validation part
together (an official validation part stays apart). The schedule is fixed beforehand, nothing is pruned or stopped
early, and nothing looks at the validation part, so these trials have no objective; what counts is `oracle_test_acc`,
mean of the last epochs as in the search.

Repeat r has fresh noise, `noise/seed` + FRESH_SEEDS + r, the same for all settings of a condition, which are therefore
compared on equal labels; every training has a `train/seed` of its own. So the repeats of a setting vary by both sources
of chance, and what all settings of a repeat share is the noise draw's part. Where the noise comes from the data or a
file, the labels stay. Pre-training, which no label enters, is the search's.

A training is named after setting, condition and repeat, so that the phase, started again, finds what it has done.
"""

import hashlib
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from codim.config.train_config import TrainConfig
from codim.data.load import load_data
from study.confirm.choice import choose
from study.plan.plan import Plan
from study.results.records import TrialRecord
from study.spec.conditions import Condition
from study.trial import Attempt, Outcome

FRESH_SEEDS = 1_000_000
"""Seeds of this phase begin here; those of the search are the numbers of its trials, far below."""


class _Training(NamedTuple):
    trial: str
    setting: str
    like: TrialRecord
    """A trial with this setting."""
    condition: Condition
    config: TrainConfig


class Confirm:
    """Gives out the trainings of this phase: those under way when it was interrupted, then those not yet begun."""

    def __init__(self, plan: Plan, records: Mapping[str, TrialRecord]) -> None:
        """`records`: all trials of the study so far, by identifier."""
        self.plan = plan
        known = [record for record in records.values() if record.phase == "confirm"]
        new = [training for training in wanted(plan, records) if training.trial not in records]
        self._left = deque([*(_begun(plan, record) for record in known if record.status == "running"), *new])
        self.trials = len(known) + len(new)
        """Of the whole phase, those that have ended included."""
        self._data = {condition.noise: plan.data[condition.id] for condition in plan.conditions}

    def next(self) -> Attempt | None:
        """The next training; None when all are given out."""
        if not self._left:
            return None
        trial, setting, like, condition, config = self._left.popleft()
        if config.noise not in self._data:
            _, truth = load_data(config.data, config.noise)
            drawn = {"noise_rate": truth.noise_rate, "transition": truth.transition.tolist()}
            self._data[config.noise] = replace(self.plan.data[condition.id], **drawn)
        data, last = self._data[config.noise], self.plan.spec.objective.last
        return Attempt(trial, condition, data, like.baseline, like.params, config, last, setting=setting)

    def hear(self, attempt: Attempt, row: Mapping[str, Any], *, replayed: bool = False) -> bool:
        """Take in one epoch; a confirmation is never stopped. With an official validation part it has an objective."""
        value = row.get(self.plan.spec.objective.metric, math.nan)
        if row["phase"] != "pretrain" and math.isfinite(value):
            attempt.heard(row["epoch"], value)
        return True

    def tell(self, attempt: Attempt, outcome: Outcome) -> None:
        """Nothing: the records are this phase's memory."""


def wanted(plan: Plan, records: Mapping[str, TrialRecord]) -> list[_Training]:
    """All trainings that confirm the search as it stands in `records`, repeat by repeat."""
    conditions, settings = {condition.id: condition for condition in plan.conditions}, choose(plan, records.values())
    return [
        _fresh(source, conditions[condition], repeat)
        for repeat in range(plan.spec.confirm.seeds)
        for source, condition in settings
    ]


def _fresh(source: TrialRecord, condition: Condition, repeat: int) -> _Training:
    trial = f"{source.trial}@{condition.id}-r{repeat}"
    config = TrainConfig.model_validate(source.config)
    seed = FRESH_SEEDS + int.from_bytes(hashlib.sha256(trial.encode()).digest()[:4])
    held_out = config.data.val_fraction if config.data.validation == "official" else 0.0
    fresh = {
        "noise": condition.noise.redrawn(FRESH_SEEDS + repeat),
        "data": config.data.model_copy(update={"val_fraction": held_out}),
        "warmup": config.warmup.model_copy(update={"seed": None}),  # no stage that trials share
        "train": config.train.model_copy(update={"seed": seed}),
    }
    return _Training(trial, source.trial, source, condition, config.model_copy(update=fresh))


def _begun(plan: Plan, record: TrialRecord) -> _Training:
    condition = next(condition for condition in plan.conditions if condition.id == record.condition)
    return _Training(record.trial, record.setting, record, condition, TrainConfig.model_validate(record.config))
