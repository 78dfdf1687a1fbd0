"""Intervals called 95% hold the truth in 93 to 97% of 1,000 studies simulated with a known one.

A training's accuracy is that of its setting plus the chance of its noise draw, which all settings of a repeat share,
plus that of its seed; either is normal or, as where errors are near zero, skewed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from analysis.frames.load import Trials
from analysis.statistics import bootstrap, confirmation
from analysis.statistics import intervals as statistics
from analysis.statistics.bootstrap import interquartile_mean, probability_of_improvement, stratified_interval
from analysis.statistics.intervals import Interval

REPETITIONS = 1000
ERROR = stats.lognorm(0.3)
"""What is skewed: its skewness is .95."""
ERROR_MEAN, ERROR_DEVIATION = ERROR.mean(), ERROR.std()
DEVIATION = 0.01
"""Of a training, in accuracy."""
NOISE = math.sqrt(0.3)
"""The noise draw's part of it: three tenths of the variance."""

Array = npt.NDArray[np.float64]
Chance = Callable[[np.random.Generator, tuple[int, ...]], Array]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(0, 1, shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Mean 0, standard deviation 1, with its long tail towards low accuracies."""
    return (ERROR_MEAN - rng.lognormal(0, 0.3, shape)) / ERROR_DEVIATION


chances = pytest.mark.parametrize("chance", [normal, skewed])


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 100)


def trainings(rng: np.random.Generator, chance: Chance, levels: Sequence[float], repeats: int) -> Array:
    """(len(levels), REPETITIONS, repeats): one condition, with settings of these accuracies."""
    shape = (REPETITIONS, repeats)
    draw, seed = chance(rng, (1, *shape)), chance(rng, (len(levels), *shape))
    chances = NOISE * draw + math.sqrt(1 - NOISE**2) * seed
    return np.reshape(levels, (-1, 1, 1)) + DEVIATION * chances


def assert_covers(intervals: Sequence[Interval], truth: float, most: float = 0.97) -> None:
    assert len(intervals) == REPETITIONS
    assert 0.93 <= np.mean([i.low <= truth <= i.high for i in intervals]) <= most


@chances
@pytest.mark.parametrize("n", [4, 20])
def test_the_interval_of_a_mean(chance: Chance, n: int) -> None:
    """Of few conditions, and of many."""
    (values,) = trainings(np.random.default_rng(n), chance, [0.8], n)
    assert_covers([statistics.interval(list(x)) for x in values], 0.8)


@chances
def test_the_interval_of_a_confirmed_setting(study: Trials, chance: Chance) -> None:
    (values,) = trainings(np.random.default_rng(5), chance, [0.8], 5)
    frame = pd.DataFrame({"condition": np.repeat([f"c{i}" for i in range(REPETITIONS)], 5), "setting": "c0-0000"})
    frame = frame.assign(baseline="ce", status="complete", oracle_test_acc=values.ravel())
    table = confirmation.confirmation_table(replace(study, confirmations=frame))
    assert_covers([Interval(r.oracle_test_acc, r.low, r.high, r.n) for r in table.itertuples()], 0.8)


@chances
@pytest.mark.parametrize(
    ("levels", "repeats"),
    [((0.95, 0.90, 0.80, 0.60), 5), ((0.90, 0.89, 0.88, 0.87, 0.86), 5), ((0.95, 0.94, 0.9, 0.88, 0.8, 0.6), 5)],
)
def test_the_interval_of_the_interquartile_mean(chance: Chance, levels: tuple[float, ...], repeats: int) -> None:
    """Conditions far apart and conditions that overlap; the truth from a thousand times as many seeds."""
    rng = np.random.default_rng(6)
    whole = np.concatenate([trainings(rng, chance, [level], 200) for level in levels])
    samples = np.stack([trainings(rng, chance, [level], repeats)[0] for level in levels], axis=1)
    truth = float(stats.trim_mean(whole, 0.25, axis=None))
    assert_covers([stratified_interval(list(one), interquartile_mean) for one in samples], truth)


@chances
@pytest.mark.parametrize("gains", [(0.0, 0.005, 0.01, 0.01), (0.0, 0.0, 0.005, 0.005, 0.01, 0.02)])
def test_the_interval_of_the_probability_of_improvement(chance: Chance, gains: tuple[float, ...]) -> None:
    """Of trainings that share nothing."""
    rng = np.random.default_rng(7)
    levels = [level for gain in gains for level in (0.8 + gain, 0.8)]
    whole = [trainings(rng, chance, [level], 200) for level in levels]
    samples = np.stack([trainings(rng, chance, [level], 5)[0] for level in levels], axis=1)
    truth = float(np.mean([x > y for x, y in zip(whole[::2], whole[1::2], strict=True)]))
    assert_covers([stratified_interval(list(one), probability_of_improvement) for one in samples], truth)


def test_shared_noise_draws_make_the_interval_of_the_improvement_rather_too_wide() -> None:
    rng, gains = np.random.default_rng(8), (0.0, 0.005, 0.01, 0.01)
    samples = np.concatenate([trainings(rng, normal, [0.8 + gain, 0.8], 5) for gain in gains]).swapaxes(0, 1)
    truth = float(stats.norm.cdf(np.divide(gains, DEVIATION * math.sqrt(2))).mean())
    assert_covers([stratified_interval(list(one), probability_of_improvement) for one in samples], truth, most=0.99)
