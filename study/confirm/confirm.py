"""The second phase: the chosen settings are trained again, with labels and seeds that the search never saw.

Each setting is trained `confirm/seeds` times, or more where these vary (repeats.py), with the search's budget in
samples, on the training and validation parts together (an official validation part stays apart). The schedule is fixed
beforehand, nothing is pruned or stopped early, and the validation part is not held out, so these trials have no
objective; they are judged by `oracle_test_acc`, averaged over the last epochs as in the search.

Repeat r has fresh noise, `noise/seed` + FRESH_SEEDS + r, the same for all settings of a condition, which are therefore
compared on equal labels; every training has a different `train/seed`. The repeats of a setting thus vary by both
sources of randomness, and the variation that all settings of a repeat share is due to the noise. If the noise comes
from the data or a file, the labels stay the same. Pre-training, which uses no labels, is shared with the search.

A training is named after setting, condition and repeat, so that the phase can be resumed.
"""

import hashlib
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from codim.config.train_config import TrainConfig
from codim.data.load import load_data
from study.confirm.choice import choose
from study.confirm.repeats import repeats
from study.plan.plan import Plan
from study.results.records import TrialRecord
from study.spec.conditions import Condition
from study.trial import Attempt, Outcome

FRESH_SEEDS = 1_000_000
"""Smallest seed of this phase; the seeds of the search are the numbers of its trials, far below."""


class _Training(NamedTuple):
    trial: str
    setting: str
    like: TrialRecord
    """Record of a trial with the same setting."""
    condition: Condition
    config: TrainConfig


class Confirm:
    """Queue of the trainings of this phase: those that were running at an interruption, then those not yet begun."""

    def __init__(self, plan: Plan, records: Mapping[str, TrialRecord]) -> None:
        """`records`: all trials of the study so far, by identifier."""
        self.plan = plan
        known = [record for record in records.values() if record.phase == "confirm"]
        new = [training for training in wanted(plan, records) if training.trial not in records]
        self._left = deque([*(_begun(plan, record) for record in known if record.status == "running"), *new])
        self.trials = len(known) + len(new)
        """Number of trainings in the whole phase, including those that have ended."""
        self._data = {condition.noise: plan.data[condition.id] for condition in plan.conditions}

    def ask(self) -> Attempt | None:
        """Return the next training; None when all have been handed out."""
        if not self._left:
            return None
        trial, setting, like, condition, config = self._left.popleft()
        if config.noise not in self._data:
            _, truth = load_data(config.data, config.noise)
            drawn = {"noise_rate": truth.noise_rate, "transition": truth.transition.tolist()}
            self._data[config.noise] = replace(self.plan.data[condition.id], **drawn)
        data, last = self._data[config.noise], self.plan.spec.objective.last
        return Attempt(trial, condition, data, like.baseline, like.params, config, last, setting=setting)

    def report(self, attempt: Attempt, row: Mapping[str, Any], *, replayed: bool = False) -> bool:
        """Process one epoch; never stops the trial. With an official validation part it updates the objective."""
        value = row.get(self.plan.spec.objective.metric, math.nan)
        if row["phase"] != "pretrain" and math.isfinite(value):
            attempt.observe(row["epoch"], value)
        return True

    def tell(self, attempt: Attempt, outcome: Outcome) -> None:
        """Do nothing: the state of this phase is in the records."""


def wanted(plan: Plan, records: Mapping[str, TrialRecord]) -> list[_Training]:
    """Return all trainings that confirm the search, given the study's `records`, repeat by repeat; those beyond the
    first `confirm/seeds` repeats once these have ended."""
    chosen, trainings = choose(plan, records.values()), list[tuple[int, _Training]]()
    for condition in plan.conditions:
        own = [source for source, name in chosen if name == condition.id]
        first = [[_fresh(source, condition, repeat) for repeat in range(plan.spec.confirm.seeds)] for source in own]
        ended = [[records.get(training.trial) for training in row] for row in first]
        n = plan.spec.confirm.seeds
        if own and all(record and record.status != "running" for row in ended for record in row):
            n = repeats(plan.spec.confirm, np.array([[r.oracle_test_acc for r in row if r] for row in ended]))
        trainings += [(repeat, _fresh(source, condition, repeat)) for repeat in range(n) for source in own]
    return [training for _, training in sorted(trainings, key=lambda pair: pair[0])]


def _fresh(source: TrialRecord, condition: Condition, repeat: int) -> _Training:
    trial = f"{source.trial}@{condition.id}-r{repeat}"
    config = TrainConfig.model_validate(source.config)
    seed = FRESH_SEEDS + int.from_bytes(hashlib.sha256(trial.encode()).digest()[:4])
    held_out = config.data.val_fraction if config.data.validation == "official" else 0.0
    fresh = {
        "noise": condition.noise.redrawn(FRESH_SEEDS + repeat),
        "data": config.data.model_copy(update={"val_fraction": held_out}),
        "warmup": config.warmup.model_copy(update={"seed": None}),  # not a shared stage
        "train": config.train.model_copy(update={"seed": seed}),
    }
    return _Training(trial, source.trial, source, condition, config.model_copy(update=fresh))


def _begun(plan: Plan, record: TrialRecord) -> _Training:
    condition = next(condition for condition in plan.conditions if condition.id == record.condition)
    return _Training(record.trial, record.setting, record, condition, TrainConfig.model_validate(record.config))
