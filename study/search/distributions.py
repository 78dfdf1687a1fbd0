"""Values from Optuna's distributions, asked of a trial."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution


def suggested(handle: optuna.Trial, path: str, distribution: BaseDistribution) -> Any:
    """Ask an Optuna trial to suggest the value of one dimension."""
    if isinstance(distribution, CategoricalDistribution):
        return handle.suggest_categorical(path, distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high, log = distribution.low, distribution.high, distribution.log
    if isinstance(distribution, IntDistribution):
        return handle.suggest_int(path, distribution.low, distribution.high, step=distribution.step, log=log)
    return handle.suggest_float(path, low, high, step=distribution.step, log=log)
