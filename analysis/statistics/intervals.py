"""Confidence intervals of a mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

MIN_VALUES = 3


@dataclass(frozen=True)
class Interval:
    """Mean with its confidence interval; `low` and `high` are NaN with fewer than three values."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean with its Student's t interval, ignoring NaN values. (A bootstrap of the four values that four
    conditions give would hold the truth in only four cases of five.)

    Example:
        >>> found = interval([0.90, 0.92, 0.94])
        >>> f"{found.mean:.2f} [{found.low:.3f}, {found.high:.3f}], n = {found.n}"
        '0.92 [0.870, 0.970], n = 3'
    """
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    mean = float(x.mean()) if x.size else float("nan")
    if x.size < MIN_VALUES:
        return Interval(mean, float("nan"), float("nan"), int(x.size))
    margin = float(stats.t.ppf((1 + confidence) / 2, x.size - 1) * stats.sem(x))
    return Interval(mean, mean - margin, mean + margin, int(x.size))


def mean_interval(samples: Sequence[Sequence[float]], confidence: float = 0.95) -> Interval:
    """Return the mean of the samples' means with its interval, whose variance is that within the samples, with
    Welch and Satterthwaite's degrees of freedom; `n`: all values. Where a sample has a single value, the interval is
    that of the samples' means.

    Args:
        samples: finite values of each condition, which may differ in number and spread.
    """
    means, counts = [float(np.mean(x)) for x in samples], np.array([len(x) for x in samples])
    n = int(counts.sum())
    if counts.min() < 2:
        between = interval(means, confidence)
        return Interval(between.mean, between.low, between.high, n)
    parts = np.array([np.var(x, ddof=1) / len(x) for x in samples]) / len(samples) ** 2
    mean, margin = float(np.mean(means)), 0.0
    if parts.any():
        freedom = parts.sum() ** 2 / (parts**2 / (counts - 1)).sum()
        margin = float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(parts.sum()))
    return Interval(mean, mean - margin, mean + margin, n)


def varies(values: npt.NDArray[np.float64]) -> bool:
    """Whether any column of (n, ...) varies by more than rounding errors; accuracies are counts over images."""
    return bool((np.ptp(values, axis=0) > 1e-9).any())
