"""Consensus on made-up trials whose accuracy is known."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, spearmanr

from codim.noise.symmetric import SymmetricNoise
from codim.noise.transition import Floats, Labels, symmetric_slope
from study.surrogate.consensus import _calibrated, consensus

CLASSES = 10


class Crowd(NamedTuple):
    probability: Floats
    """(S, N, K)."""
    labels: Labels
    accuracy: Floats
    """Accuracy of each trial on true labels."""
    slope: float

    @property
    def objective(self) -> Floats:
        found: Floats = (self.probability.argmax(2) == self.labels).mean(1)
        return found

    @property
    def gain(self) -> tuple[float, float]:
        """Rank correlation with accuracy: of the objectives, and of the consensus."""
        agreed = consensus(list(self.probability), self.labels, self.slope).value
        return spearmanr(self.objective, self.accuracy)[0], spearmanr(agreed, self.accuracy)[0]


def crowd(
    seed: int,
    rate: float = 0.8,
    trials: int = 20,
    images: int = 300,
    misled: float = 0,
    sure: tuple[float, float] = (0.82, 0.82),
) -> Crowd:
    """Trials with accuracies of .83 to .97 that err by themselves, on hard images more often. `misled`: share of the
    images on which the bad half of them are sure of one and the same wrong class. `sure`: probability that the worst
    and the best trial give the class they name."""
    rng = np.random.default_rng(seed)
    true = rng.integers(CLASSES, size=images)
    labels = SymmetricNoise(rate=rate, seed=seed).apply(true, CLASSES, np.zeros((images, 1)))
    skill, difficulty = np.linspace(1.2, 2.5, trials), rng.normal(size=images)
    wrong = (true + rng.integers(1, CLASSES, (trials, images))) % CLASSES
    knows = rng.normal(size=(trials, images)) < skill[:, None] - 0.7 * difficulty
    together = (rng.random(images) < misled) & (np.arange(trials) < trials // 2)[:, None]
    named = np.where(together, (true + 1) % CLASSES, np.where(knows, true, wrong))
    rest = (1 - np.linspace(*sure, trials)[:, None, None]) / (CLASSES - 1)
    probability = np.where(np.eye(CLASSES)[named] > 0, 1 - (CLASSES - 1) * rest, rest)
    return Crowd(probability, labels, (named == true).mean(1), symmetric_slope(rate * 0.9, CLASSES))


def test_where_labels_say_little_the_crowd_says_more() -> None:
    gains = np.array([crowd(seed).gain for seed in range(30)])
    assert gains[:, 0].mean() < 0.8
    assert gains[:, 1].mean() > 0.95


def test_a_crowd_that_is_wrong_together_is_not_followed() -> None:
    """Half of the trials share one mistake: their agreement with each other is no merit."""
    gains = np.array([crowd(seed, rate=0.3, images=1000, misled=0.6).gain for seed in range(10)])
    assert gains[:, 1].mean() > gains[:, 0].mean() - 0.03


def test_how_sure_the_trials_are_of_the_classes_they_name_does_not_count_where_all_are_alike() -> None:
    """Trials that give the class they name a probability of .3 know as much as those that give it .82: the labels tell
    how often they are right."""
    gains = np.array([crowd(seed, sure=(0.3, 0.3)).gain for seed in range(10)])
    assert gains[:, 1].mean() > 0.95


def test_a_crowd_is_calibrated_by_labels_that_are_mostly_wrong() -> None:
    """Predictions that are right as often as they say, then less sure of it: the square of them, were it not noise."""
    rng = np.random.default_rng(0)
    sure = rng.dirichlet([0.2] * CLASSES, 20_000)
    true = (sure.cumsum(1) > rng.random((20_000, 1))).argmax(1)
    labels = SymmetricNoise(rate=0.8, seed=0).apply(true, CLASSES, sure)
    unsure = np.sqrt(sure) / np.sqrt(sure).sum(1, keepdims=True)
    power, matrix = _calibrated(unsure, labels)
    assert power == pytest.approx(2, rel=0.01)
    assert matrix == pytest.approx(np.full((CLASSES, CLASSES), 0.08) + 0.2 * np.eye(CLASSES), abs=0.03)


def test_few_images_do_not_show_how_single_classes_are_confused() -> None:
    """Five images of each class: what is counted for each is further from the truth than what all say together."""
    true = np.arange(50) % CLASSES
    labels = SymmetricNoise(rate=0.5, seed=1).apply(true, CLASSES, np.zeros((50, 1)))
    expected = np.full((CLASSES, CLASSES), 0.05) + 0.5 * np.eye(CLASSES)
    counted = np.eye(CLASSES)[true].T @ np.eye(CLASSES)[labels] / 5
    _, matrix = _calibrated(0.99 * np.eye(CLASSES)[true] + 0.001, labels)
    assert np.square(matrix - expected).sum() < np.square(counted - expected).sum() / 2


def test_confidence_is_not_followed_where_the_worst_are_surest() -> None:
    gains = np.array([crowd(seed, rate=0.5, images=1000, trials=30, sure=(0.6, 0.5)).gain for seed in range(10)])
    assert gains[:, 1].mean() > gains[:, 0].mean()


@pytest.mark.parametrize("rate", [0.3, 0.8])
def test_standard_errors_are_as_large_as_the_errors(rate: float) -> None:
    """Against the accuracy on endlessly many images: these 300 are drawn by luck, too."""
    told, errors = [], []
    for seed in range(30):
        own = crowd(seed, rate)
        agreed = consensus(list(own.probability), own.labels, own.slope)
        error = agreed.value - own.slope * norm.cdf(np.linspace(1.2, 2.5, len(agreed.value)) / np.hypot(1, 0.7))
        errors.append(error - error.mean())
        told.append(agreed.error)
    assert 0.6 < np.sqrt(np.square(errors).mean() / np.square(told).mean()) < 1.6


def test_right_labels_stay_what_they_are() -> None:
    """Without noise the objective is accuracy itself, and moves by no more than its error on 300 images."""
    own = crowd(0, rate=0.0)
    agreed = consensus(list(own.probability), own.labels, slope=1).value
    assert agreed == pytest.approx(own.objective, abs=0.03)
    assert spearmanr(agreed, own.accuracy)[0] > 0.95


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(3, 8))
def test_the_order_of_trials_and_images_does_not_count(seed: int, trials: int) -> None:
    rng = np.random.default_rng(seed)
    probability, labels = rng.dirichlet([0.5] * 4, (trials, 30)), rng.integers(4, size=30)
    found = consensus(list(probability), labels, 0.5).value
    rows, images = rng.permutation(trials), rng.permutation(30)
    moved = consensus(list(probability[rows][:, images]), labels[images], 0.5).value
    assert moved == pytest.approx(found[rows], abs=1e-9)
    assert np.isfinite(found).all()


def test_trials_that_all_agree_are_equal() -> None:
    own = crowd(3)
    agreed = consensus([own.probability[0]] * 4, own.labels, own.slope).value
    assert agreed == pytest.approx([own.objective[0]] * 4, abs=1e-6)
