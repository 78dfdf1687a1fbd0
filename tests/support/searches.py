"""Made-up searches of one condition, and the same trials in Optuna."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from analysis.frames.settings import Setting, searched_settings
from study.results.records import TrialRecord
from tests.support import synthetic
from tests.support.synthetic import SPEC, record

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
WHERE = "symmetric-0.5"
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def searched(n: int, seed: int = 0, **changes: Any) -> list[TrialRecord]:
    """Complete trials of one condition, with two pairs of equals among them."""
    rng = np.random.default_rng(seed)
    params = [synthetic.sample(rng) for _ in range(n)]
    params[1], params[-1] = params[0], params[2]
    return [record(WHERE, i, synthetic.accuracy(p, WHERE), params=p, epochs=0, **changes) for i, p in enumerate(params)]


def optuna_study(records: Sequence[TrialRecord], values: Sequence[str] = ("objective",)) -> optuna.Study:
    """The same trials in Optuna; a setting with a 0 beside its range left out, which Optuna has no axis for."""
    directions = {"objective": "maximize", "seconds": "minimize"}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=[directions[value] for value in values])
    optuna.logging.set_verbosity(verbosity)
    axes = {s.path: distribution(s) for s in searched_settings(SPEC) if not s.axis.zero}
    for one in records:
        params = {path: value for path, value in one.params.items() if path in axes}
        trial = create_trial(
            state=STATES[one.status],
            values=[getattr(one, value) for value in values] if one.status == "complete" else None,
            params=params,
            distributions={path: axes[path] for path in params},
        )
        assert one.started is not None
        assert one.ended is not None
        trial.datetime_start, trial.datetime_complete = one.started.replace(tzinfo=None), one.ended.replace(tzinfo=None)
        study.add_trial(trial)
    return study


def distribution(setting: Setting) -> BaseDistribution:
    if setting.axis.choices:
        return CategoricalDistribution(setting.axis.choices)
    return FloatDistribution(setting.axis.low, setting.axis.high, log=setting.axis.log)
