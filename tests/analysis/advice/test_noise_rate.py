"""Estimates of the noise rate, on predictions whose errors are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.advice.noise_rate import estimate, given

CLASSES = 4
Floats = NDArray[np.float64]


def predictions(rate: float, n: int = 4000, skill: float = 4.0) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Given labels with symmetric noise over the other classes, probabilities of a good classifier, realised T."""
    rng = np.random.default_rng(0)
    true = rng.integers(CLASSES, size=n)
    wrong = rng.random(n) < rate
    labels = np.where(wrong, (true + rng.integers(1, CLASSES, n)) % CLASSES, true)
    logits = rng.normal(size=(n, CLASSES)) + skill * np.eye(CLASSES)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    counts = np.zeros((CLASSES, CLASSES))
    np.add.at(counts, (true, labels), 1)
    return labels, probabilities, counts / counts.sum(1, keepdims=True)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_the_rate_and_the_transition_are_found(rate: float) -> None:
    labels, probabilities, transition = predictions(rate)
    found = estimate(labels, probabilities)
    assert found.rate.value == pytest.approx(rate, abs=0.04)
    assert found.rate.low <= rate <= found.rate.high
    assert np.abs(found.transition - transition).max() < 0.06
    assert found.transition.sum(1) == pytest.approx(np.ones(CLASSES))
    assert (found.methods["low"] <= found.methods["high"]).all()


def test_the_interval_of_a_weak_classifier_holds_the_rate_by_what_two_of_them_agree_on() -> None:
    """As sure of wrong predictions as of right ones; a good one's interval hardly moves."""
    rng = np.random.default_rng(1)
    for accuracy, moves in ((0.5, True), (0.98, False)):
        true = rng.integers(CLASSES, size=2000)
        labels = np.where(rng.random(2000) < 0.2, (true + rng.integers(1, CLASSES, 2000)) % CLASSES, true)
        wrong = (true + rng.integers(1, CLASSES, 2000)) % CLASSES
        first, second = (np.where(rng.random(2000) < accuracy, true, wrong) for _ in range(2))
        probabilities = np.full((2000, CLASSES), 0.1)
        probabilities[np.arange(2000), first] = rng.uniform(0.5, 0.9, 2000)
        probabilities /= probabilities.sum(1, keepdims=True)
        alone = estimate(labels, probabilities).rate
        found = estimate(labels, probabilities, agree=first == second)
        both = found.rate
        assert found.agreement == (first == second).mean()
        assert both.low <= 0.2 <= both.high
        assert (alone.low > 0.2) == moves
        assert (both.low < alone.low - 0.05) == moves
        assert (both.value, both.high) == (alone.value, alone.high)


def test_more_images_make_the_interval_of_a_method_narrower() -> None:
    few, many = (estimate(*predictions(0.3, n)[:2]).methods.loc["confident learning"] for n in (400, 6400))
    assert many["high"] - many["low"] < 0.5 * (few["high"] - few["low"])


def test_a_class_without_a_label_is_named() -> None:
    with pytest.raises(ValueError, match=r"no image has class 3 \(of 4\)"):
        estimate(np.array([0, 1, 2, 1]), np.full((4, CLASSES), 0.25))


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="--noise-rate"):
        given(rate)
