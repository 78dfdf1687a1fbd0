"""Values of Optuna's distributions and where they lie in them."""

import math
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.dimensions.base import Value


def at(distribution: BaseDistribution, u: float) -> Value:
    """Return the quantile `u` of a distribution, u in [0, 1)."""
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


def quantile(distribution: BaseDistribution, value: Any) -> float:
    """Return a number in [0, 1) at which `at` gives the value."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high = distribution.low, distribution.high
    if isinstance(distribution, IntDistribution):
        if distribution.log:
            return math.log((value + 0.5) / low) / math.log((high + 1) / low)
        grid = range(distribution.low, distribution.high + 1, distribution.step)
        return (grid.index(value) + 0.5) / len(grid)
    share = math.log(value / low) / math.log(high / low) if distribution.log else (value - low) / (high - low)
    return min(float(share), 1 - 1e-9)
