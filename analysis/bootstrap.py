"""Aggregate scores over conditions and seeds, with bootstrap intervals that resample the seeds within each condition.

After Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv 2108.13264),
whose tasks are our conditions. Scores of one condition are an array (n, ...) with one row a repeat; repeats are the
unit that is resampled, since what was trained in the same repeat shares its noise draw.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.statistics import MIN_VALUES, Interval

RESAMPLES = 10_000

Scores = npt.NDArray[np.float64]
Statistic = Callable[[Sequence[Scores]], Scores]
"""From the scores of each condition, (R, n, ...) for R samples at once, to the value of each sample, (R,)."""


def interquartile_mean(scores: Sequence[Scores]) -> Scores:
    """(R,): mean of the middle half of all scores, conditions and seeds together. `scores`: (R, n) a condition."""
    return np.asarray(stats.trim_mean(np.concatenate(scores, axis=1), 0.25, axis=1))


def probability_of_improvement(scores: Sequence[Scores]) -> Scores:
    """(R,): P(X > Y) of a training with X and one with Y, ties one half, mean over conditions.

    `scores`: (R, n, 2) a condition, X before Y. All n^2 combinations count, as in a Mann-Whitney test.
    """
    ahead = [np.heaviside(s[:, :, None, 0] - s[:, None, :, 1], 0.5).mean(axis=(1, 2)) for s in scores]
    return np.asarray(np.stack(ahead).mean(axis=0))


def stratified_interval(scores: Sequence[Scores], statistic: Statistic, confidence: float = 0.95) -> Interval:
    """The statistic with its expanded percentile interval; NaN bounds where a condition has fewer than three repeats.

    A plain percentile interval of n values is too narrow by sqrt((n - 1)/n) and takes normal for Student quantiles:
    with five seeds it covers nine times in ten, not nineteen in twenty. So the percentiles lie further out, at
    Phi(-+ sqrt(n/(n - 1)) t) (Hesterberg 2014, arXiv 1411.5279), n: the fewest repeats in a condition, t with the
    degrees of freedom of all conditions. `n` of the result: repeats over all conditions.
    """
    counts = [len(s) for s in scores]
    value = float(statistic([s[None] for s in scores])[0])
    if min(counts) < MIN_VALUES:
        return Interval(value, math.nan, math.nan, sum(counts))
    rng = np.random.default_rng(0)
    values = statistic([s[rng.integers(n, size=(RESAMPLES, n))] for s, n in zip(scores, counts, strict=True)])
    fewest, freedom = min(counts), sum(counts) - len(counts)
    tail = stats.norm.sf(math.sqrt(fewest / (fewest - 1)) * stats.t.ppf((1 + confidence) / 2, freedom))
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(value, float(low), float(high), sum(counts))
