"""How many repeats tell settings apart: against intervals of drawn studies, and at the edges."""

import numpy as np
import pytest
from scipy import stats

from study.confirm.repeats import needed, repeats
from study.spec.sections import Confirm

CONFIRM = Confirm(seeds=3, most_seeds=50, half_width=0.01)


def drawn(rng: np.random.Generator, means: list[float], spread: float, n: int) -> np.ndarray:
    """Accuracies (settings, n), whose repeats share a draw of the noise."""
    return np.array(means)[:, None] + rng.normal(0, 0.05, n) + rng.normal(0, spread, (len(means), n))


def test_the_intervals_are_as_narrow_as_asked_and_cover() -> None:
    rng, half_widths, covered = np.random.default_rng(0), [], 0
    for _ in range(400):
        first = drawn(rng, [0.90, 0.91, 0.91, 0.90], 0.012, CONFIRM.seeds)
        further = drawn(rng, [0.90, 0.91, 0.91, 0.90], 0.012, repeats(CONFIRM, first) - CONFIRM.seeds)
        one, other = np.concatenate([first, further], 1)[:2]
        low, high = stats.ttest_1samp(other - one, 0).confidence_interval()
        half_widths.append((high - low) / 2)
        covered += low <= 0.01 <= high
    assert np.mean(half_widths) < CONFIRM.half_width
    assert covered / 400 == pytest.approx(0.95, abs=0.02)


def test_what_the_settings_of_a_repeat_share_is_no_spread() -> None:
    shared = np.array([[0.9, 0.5, 0.7]])
    assert repeats(CONFIRM, np.concatenate([shared, shared + 0.01])) == CONFIRM.seeds


def test_settings_far_below_the_best_do_not_count() -> None:
    rng = np.random.default_rng(1)
    close = drawn(rng, [0.95, 0.95], 0.001, 3)
    far = drawn(rng, [0.4], 0.02, 3)
    assert needed(np.concatenate([close, far]), 0.01) == needed(close, 0.01)
    assert needed(np.array([[0.9, 0.901, 0.9], [0.4, 0.401, 0.4]]), 0.0001) == 0


def test_at_most_so_many() -> None:
    wild = drawn(np.random.default_rng(2), [0.9, 0.9], 0.2, 3)
    assert repeats(CONFIRM, wild) == 50
    assert repeats(Confirm(seeds=3), wild) == 3


@pytest.mark.parametrize("left", [0, 1])
def test_failed_trainings_tell_nothing(left: int) -> None:
    accuracy = drawn(np.random.default_rng(3), [0.9, 0.9, 0.9], 0.2, 3)
    accuracy[left:, 1] = np.nan
    assert repeats(CONFIRM, accuracy) == CONFIRM.seeds


@pytest.mark.parametrize(("seeds", "most", "found"), [(0, 12, 0), (1, 12, 1), (3, 12, 12), (20, 12, 20), (3, None, 3)])
def test_the_largest_number_fits_any_number_of_first_seeds(seeds: int, most: int | None, found: int) -> None:
    assert Confirm(seeds=seeds, most_seeds=most).most == found
