"""Does the interval of the noise rate hold it? Digits with known noise, and two classifiers of different quality."""

import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB

from analysis.advice.noise_rate import NoiseRate, estimate
from codim.noise.class_maps import CLASS_MAPS

CLASSES = 10
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: LogisticRegression(max_iter=200),
    "naive Bayes": lambda: GaussianNB(var_smoothing=1e-2),
}
NOISE = [("symmetric", rate) for rate in (0.0, 0.1, 0.2, 0.4, 0.6, 0.7)] + [("asymmetric", 0.2), ("asymmetric", 0.4)]
Cases = dict[tuple[str, str, float], tuple[float, NoiseRate]]


def noisy(true: NDArray[np.int64], kind: str, rate: float, rng: np.random.Generator) -> NDArray[np.int64]:
    others = (true + rng.integers(1, CLASSES, len(true))) % CLASSES
    targets = others if kind == "symmetric" else np.asarray(CLASS_MAPS["digits"])[true, 0]
    return np.where(rng.random(len(true)) < rate, targets, true)


@pytest.fixture(scope="module")
def cases() -> Cases:
    """By classifier, kind and nominal rate: the realised rate and its estimate."""
    images, true = load_digits(return_X_y=True)
    found: Cases = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a bad classifier is wanted, one that has not converged will do
        for (name, make), (kind, rate) in product(CLASSIFIERS.items(), NOISE):
            labels = noisy(true, kind, rate, np.random.default_rng([10, int(100 * rate)]))
            folds = StratifiedKFold(3, shuffle=True, random_state=10)
            guess = cross_val_predict(make(), images / 16, labels, cv=folds, method="predict_proba")
            found[name, kind, rate] = float(np.mean(labels != true)), estimate(labels, guess).rate
    return found


def test_the_interval_holds_nine_of_ten_rates(cases: Cases) -> None:
    held = [found.low <= true <= found.high for true, found in cases.values()]
    assert len(held) == 16
    assert np.mean(held) >= 0.9


def test_the_estimate_is_within_six_points_and_inside_its_interval(cases: Cases) -> None:
    for true, found in cases.values():
        assert abs(found.value - true) < 0.06
        assert found.low <= found.value <= found.high


def test_clean_data_may_be_clean(cases: Cases) -> None:
    clean = [found for (_, _, rate), (_, found) in cases.items() if rate == 0]
    assert all(found.low == 0 and found.value < 0.03 for found in clean)


def test_the_interval_is_narrow_enough_to_choose_between_conditions(cases: Cases) -> None:
    """Those of the digits study lie 26 points apart."""
    assert np.mean([found.high - found.low for _, found in cases.values()]) < 0.2
