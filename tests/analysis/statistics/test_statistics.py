"""Intervals and the resolution of the objective, against hand-worked numbers."""

import math
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from analysis.frames.load import Trials, load_trials
from analysis.statistics import confirmation, resolution
from analysis.statistics import intervals as statistics
from codim.noise import transition
from codim.noise.transition import confusable_slope
from tests.support import synthetic
from tests.support.synthetic import record


def test_interval_covers_the_mean_of_normal_values() -> None:
    rng = np.random.default_rng(1)
    hits = [(i := statistics.interval(rng.normal(0, 1, 30))).low <= 0 <= i.high for _ in range(40)]
    assert 34 <= sum(hits) <= 40


def test_interval_of_few_equal_or_missing_values() -> None:
    assert math.isnan(statistics.interval([0.1, 0.2]).low)
    assert statistics.interval([0.1, 0.3]).mean == pytest.approx(0.2)
    assert statistics.interval([0.5, 0.5, 0.5, float("nan")]) == statistics.Interval(0.5, 0.5, 0.5, 3)
    assert math.isnan(statistics.interval([]).mean)


def test_a_mean_over_conditions_weighs_them_equally() -> None:
    one = [0.1, 0.2, 0.4]
    assert astuple(statistics.mean_interval([one])) == pytest.approx(astuple(statistics.interval(one)))
    many = statistics.mean_interval([[0.1, 0.3], [0.5, 0.7] * 20])
    assert (many.mean, many.n) == (pytest.approx(0.4), 42)
    single = statistics.mean_interval([[0.1], [0.2, 0.4], [0.2]])
    assert (single.mean, single.low) == pytest.approx((0.2, statistics.interval([0.1, 0.3, 0.2]).low))
    equal = statistics.mean_interval([[0.5, 0.5], [0.75, 0.75, 0.75]])
    assert astuple(equal) == (0.625, 0.625, 0.625, 5)


def test_a_mean_over_conditions_of_unequal_number_and_spread_is_covered() -> None:
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(1_000):
        found = statistics.mean_interval([rng.normal(0, 0.1, 3), rng.normal(0, 1, 12), rng.normal(0, 0.5, 4)])
        hits.append(found.low <= 0 <= found.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("rate", "classes", "slope"), [(0.0, 10, 1.0), (0.45, 10, 0.5), (0.9, 10, 0.0), (0.5, 2, 0.0)])
def test_symmetric_slope(rate: float, classes: int, slope: float) -> None:
    assert transition.symmetric_slope(rate, classes) == pytest.approx(slope)


def test_symmetric_slope_is_what_a_simulation_of_noisy_labels_gives() -> None:
    rng = np.random.default_rng(0)
    n, classes, rate = 200_000, 10, 0.45
    true = rng.integers(classes, size=n)
    given = np.where(rng.random(n) < rate, (true + rng.integers(1, classes, size=n)) % classes, true)
    on_given = []
    for accuracy in (0.6, 0.9):
        wrong = (true + rng.integers(1, classes, size=n)) % classes
        predicted = np.where(rng.random(n) < accuracy, true, wrong)
        on_given.append((predicted == given).mean())
    assert (on_given[1] - on_given[0]) / 0.3 == pytest.approx(transition.symmetric_slope(rate, classes), abs=0.02)


def half_flipped(rate: float) -> list[list[float]]:
    """(10, 10): classes 0 to 4 flip to the next one, the others are clean."""
    matrix = np.eye(10)
    for i in range(5):
        matrix[i, i], matrix[i, i + 1] = 1 - rate, rate
    return matrix.tolist()


def test_slope_when_mistakes_follow_the_noise() -> None:
    assert confusable_slope(synthetic.transition("symmetric-0.5")) == pytest.approx(0.5)
    assert confusable_slope(np.eye(10)) == 1
    # A clean class has no share of the noise.
    assert confusable_slope(half_flipped(0.4)) == pytest.approx(0.6 - 0.4)
    # Shares .1 and .3 of the noise: a quarter of .9 - .1 and three of .7 - .3.
    uneven = [[0.9, 0.1, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 1.0]]
    assert confusable_slope(uneven) == pytest.approx(0.25 * 0.8 + 0.75 * 0.4)


@pytest.mark.parametrize(("rate", "slope"), [(0.4, 0.2), (0.52, -0.04)])
def test_slope_is_what_a_simulation_of_networks_that_follow_the_noise_gives(rate: float, slope: float) -> None:
    rng = np.random.default_rng(0)
    n, transition = 1_000_000, half_flipped(rate)
    true = rng.integers(10, size=n)
    noisy = true < 5
    given = np.where(noisy & (rng.random(n) < rate), true + 1, true)
    on_given, on_true = [], []
    for mistaken in (0.1, 0.5):  # share of the images of a noisy class
        predicted = np.where(noisy & (rng.random(n) < mistaken), true + 1, true)
        on_given.append((predicted == given).mean())
        on_true.append((predicted == true).mean())
    measured = (on_given[1] - on_given[0]) / (on_true[1] - on_true[0])
    assert measured == pytest.approx(slope, abs=0.01)
    assert confusable_slope(transition) == pytest.approx(slope)


def test_inverted_classes_cannot_be_ranked(tmp_path: Path) -> None:
    trials = [record("asymmetric-0.4", i, 0.9, oracle_transition=half_flipped(0.52)) for i in range(3)]
    row = resolution.resolution_table(load_trials(synthetic.write(tmp_path, trials))).iloc[0]
    assert row["slope"] == pytest.approx(-0.04)
    assert not row["can_rank"]


@pytest.mark.filterwarnings("error")
def test_trainings_that_came_out_equal_have_no_interval(tmp_path: Path) -> None:
    """Equal but for rounding too; one image of 50,000 more is a difference."""
    found = {
        "0000": [0.9],
        "0001": [0.9, 0.9, 0.9],
        "0002": [0.9, 0.9, 0.9 + 2e-16],
        "0003": [0.9 - 1 / 50_000, 0.9, 0.9 + 1 / 50_000],
        "0004": [0.88, 0.9, 0.92],
    }
    trainings = [
        record("symmetric-0.5", r, test, trial=f"{setting}-r{r}", setting=setting, phase="confirm", baseline="ce")
        for setting, tests in found.items()
        for r, test in enumerate(tests)
    ]
    table = confirmation.confirmation_table(load_trials(synthetic.write(tmp_path, trainings))).set_index("setting")
    assert list(table["oracle_test_acc"]) == pytest.approx([0.9] * 5)
    assert list(table["n"]) == [1, 3, 3, 3, 3]
    assert table.loc[["0000", "0001", "0002"], ["low", "high"]].isna().all(axis=None)
    # Student's t with two degrees of freedom: 4.30265 standard errors, of the difference over the root of three.
    for setting, difference in (("0003", 2e-5), ("0004", 0.02)):
        row = table.loc[setting]
        margin = pytest.approx(4.30265 * difference / math.sqrt(3), rel=1e-5)
        assert (row["oracle_test_acc"] - row["low"], row["high"] - row["oracle_test_acc"]) == (margin, margin)


def test_resolution_of_one_condition(tmp_path: Path) -> None:
    trials = [record("symmetric-0.5", i, 0.9, objective=p) for i, p in enumerate([0.50, 0.49, 0.47])]
    read = load_trials(synthetic.write(tmp_path, trials))
    row = resolution.resolution_table(read).iloc[0]
    error = math.sqrt(0.25 / synthetic.IMAGES)
    assert row["standard_error"] == pytest.approx(error)
    assert row["clean_standard_error"] == pytest.approx(error / 0.5)
    assert 2 * error == pytest.approx(0.0224, abs=1e-4)
    assert row["ties"] == 2
    assert list(resolution.tied_trials(read.searched, error)["objective"]) == [0.50, 0.49]
    assert row["can_rank"]
    assert row["reason"] == ""


def test_resolution_of_a_consensus(tmp_path: Path) -> None:
    """It tells trials apart that the objective does not."""
    known = [(0.50, 0.485, 0.003), (0.49, 0.5, 0.002), (0.47, 0.497, 0.002)]
    trials = [
        record("symmetric-0.5", i, 0.9, objective=p, consensus=agreed, consensus_error=error)
        for i, (p, agreed, error) in enumerate(known)
    ]
    row = resolution.resolution_table(load_trials(synthetic.write(tmp_path, trials))).iloc[0]
    assert row["objective"] == 0.485
    assert row["standard_error"] == 0.002
    assert row["clean_standard_error"] == pytest.approx(0.004)
    assert row["ties"] == 2


def test_a_flat_slope_cannot_rank(tmp_path: Path) -> None:
    trials = [record("symmetric-0.8", i, 0.9, oracle_noise_rate=0.87) for i in range(3)]
    row = resolution.resolution_table(load_trials(synthetic.write(tmp_path, trials))).iloc[0]
    assert row["slope"] == pytest.approx(1 - 0.87 / 0.9)
    assert not row["can_rank"]
    assert "cannot rank" in row["reason"]
    assert math.isnan(row["clean_standard_error"])


def test_what_was_not_recorded_is_named(study: Trials) -> None:
    table = resolution.resolution_table(replace(study, environment={"classes": 10}))
    assert set(table["reason"]) == {"the number of validation images was not recorded"}
    assert table["standard_error"].isna().all()


def test_an_unknown_noise_rate_is_named(tmp_path: Path) -> None:
    blind = record("symmetric-0.5", 0, 0.9, oracle_noise_rate=float("nan"), oracle_transition=[])
    row = resolution.resolution_table(load_trials(synthetic.write(tmp_path, [blind]))).iloc[0]
    assert "no realised noise rate" in row["reason"]
    assert not row["can_rank"]
