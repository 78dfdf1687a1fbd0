"""The dimensions of a study's space in Optuna's words, and back."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.dimensions import CategoricalDimension, Dimension, IntDimension, Value, _zero_edge


def distribution(dimension: Dimension) -> BaseDistribution:
    """A dimension in Optuna's words.

    An explicit 0 is the part of the range below `low`, continued downwards as far as gives it ZERO_PROBABILITY. A
    switch beside the range would take half of the first trials, and make the setting a conditional parameter, which
    the joint model of TPE leaves out.
    """
    if isinstance(dimension, CategoricalDimension):
        return CategoricalDistribution(dimension.choices)
    if isinstance(dimension, IntDimension):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
    low = _zero_edge(dimension) if dimension.zero else dimension.low
    return FloatDistribution(low, dimension.high, log=dimension.log, step=dimension.step)


def suggested(handle: optuna.Trial, path: str, distribution: BaseDistribution) -> Any:
    """Ask a trial for the value of one dimension."""
    if isinstance(distribution, CategoricalDistribution):
        return handle.suggest_categorical(path, distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high, log = distribution.low, distribution.high, distribution.log
    if isinstance(distribution, IntDistribution):
        return handle.suggest_int(path, distribution.low, distribution.high, step=distribution.step, log=log)
    return handle.suggest_float(path, low, high, step=distribution.step, log=log)


def at(distribution: BaseDistribution, u: float) -> Value:
    """The value at share `u` of a distribution, u in [0, 1)."""
    if isinstance(distribution, CategoricalDistribution):
        choice: Value = distribution.choices[int(u * len(distribution.choices))]  # type: ignore[assignment]
        return choice
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high = distribution.low, distribution.high
    if isinstance(distribution, IntDistribution):
        if distribution.log:
            return int(low * ((high + 1) / low) ** u)
        grid = range(distribution.low, distribution.high + 1, distribution.step)
        return grid[int(u * len(grid))]
    value = low * (high / low) ** u if distribution.log else low + u * (high - low)
    step = distribution.step
    return float(value if step is None else low + round((value - low) / step) * step)
