"""Values that rliable 1.2.0 (Agarwal et al. 2021) gave for fixed scores, (runs, tasks): it is no dependency of ours.

`aggregate_iqm`, `probability_of_improvement`, and of these `get_interval_estimates` (percentiles of the stratified
bootstrap; with arch 8.0.0). Where the number of scores is no multiple of four, and for few runs, ours differ on
purpose: see `analysis.statistics.bootstrap`.
"""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.bootstrap import Scores, interquartile_mean, probability_of_improvement, stratified_interval

X4 = [[0.617, 0.801, 0.967], [0.584, 0.803, 0.969], [0.599, 0.797, 0.967], [0.616, 0.786, 0.971]]
Y4 = [[0.585, 0.772, 0.94], [0.612, 0.776, 0.944], [0.584, 0.77, 0.95], [0.594, 0.801, 0.97]]
# With ties.
X8 = [[0.61, 0.95], [0.6, 0.91], [0.65, 0.98], [0.6, 0.98], [0.62, 0.95], [0.63, 0.95], [0.6, 0.94], [0.62, 0.96]]
Y8 = [[0.61, 0.94], [0.6, 0.93], [0.62, 0.95], [0.61, 0.96], [0.58, 0.97], [0.64, 0.92], [0.57, 0.92], [0.62, 0.95]]
# Four overlapping normal distributions, by their quantiles.
X50 = np.array([0.80, 0.82, 0.83, 0.85]) + 0.02 * stats.norm.ppf((np.arange(50) + 0.5) / 50)[:, None]
Y50 = X50 - 0.01


def paired(x: Scores, y: Scores) -> list[Scores]:
    """Of each task the runs of x, then those of y."""
    return [runs for task in range(x.shape[1]) for runs in (x[:, task], y[:, task])]


@pytest.mark.parametrize(
    ("x", "y", "iqms", "improvement"),
    [
        (X4, Y4, (0.7951666666666667, 0.7784999999999999), 0.7916666666666666),
        (X8, Y8, (0.78375, 0.775), 0.62109375),
        (X50, Y50, (0.8249999999999998, 0.8149999999999998), 0.6376),
    ],
    ids=["4x3", "8x2", "50x4"],
)
def test_the_aggregates_are_those_of_rliable(
    x: Scores, y: Scores, iqms: tuple[float, float], improvement: float
) -> None:
    x, y = np.array(x), np.array(y)
    for scores, iqm in zip((x, y), iqms, strict=True):
        assert interquartile_mean([runs[None] for runs in scores.T]) == pytest.approx([iqm], abs=1e-12)
    for first, second, expected in ((x, y, improvement), (y, x, 1 - improvement)):
        samples = [runs[None] for runs in paired(first, second)]
        assert probability_of_improvement(samples) == pytest.approx([expected], abs=1e-12)


def test_the_intervals_of_many_runs_are_those_of_rliable() -> None:
    """But for the chance of either bootstrap (20,000 and 5,000 draws there)."""
    for found, low, high in (
        (stratified_interval(list(X50.T), interquartile_mean), 0.82179277, 0.82827733),
        (stratified_interval(paired(X50, Y50), probability_of_improvement), 0.5815975, 0.691205),
    ):
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.04 * (high - low))
