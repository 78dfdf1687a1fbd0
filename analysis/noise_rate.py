"""How noisy are given labels? Two estimates from out-of-fold predictions (`python -m codim crossval`).

Confident learning (Northcutt et al. 2021, arXiv 1911.00068; cleanlab) counts images whose prediction for another class
is as confident as that class' own images are on average. The mixture (Arazo et al. 2019; DivideMix) fits two normals to
the losses and takes the weight of the one with the higher mean. Neither is free of bias: the first calls hard images of
the right class wrong, the second splits a single hump too. The interval spans both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from cleanlab.count import estimate_joint
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

RESAMPLES = 40
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseRate:
    """A share of wrong labels in [0, 1] and the interval in which it is taken to lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Noise of a data set with unknown true labels."""

    rate: NoiseRate
    methods: pd.DataFrame
    """Indexed by method: `noise_rate`, `low`, `high` (95%, bootstrap over images)."""
    transition: Floats
    """(K, K) by confident learning, rows: true class, each sums to 1."""
    classes: tuple[str, ...]
    """Names of the K classes."""


def given(rate: float) -> NoiseRate:
    """A rate that the user names; believed as it is."""
    if not 0 <= rate < 1:
        raise ValueError(f"--noise-rate: {rate:g}; allowed: from 0 up to, but not, 1")
    return NoiseRate(rate, rate, rate)


def estimate(labels: NDArray[np.int64], probabilities: Floats, names: Sequence[str] = ()) -> Estimate:
    """Estimate from given labels (N,) and out-of-fold probabilities (N, K). `names`: of the classes; else numbers.

    ValueError: a class has no image.
    """
    classes = probabilities.shape[1]
    if missing := sorted(set(range(classes)) - set(labels.tolist())):
        raise ValueError(f"no image has class {missing[0]} (of {classes}) as its label; every class needs one")
    rng = np.random.default_rng(0)
    measured = {"confident learning": _confident_learning, "loss mixture": _mixture_weight}
    rows = {}
    for name, measure in measured.items():
        again = [measure(labels[i], probabilities[i]) for i in _resamples(labels, rng)]
        rows[name] = (measure(labels, probabilities), *np.quantile(again, [0.025, 0.975]))
    methods = pd.DataFrame.from_dict(rows, orient="index", columns=["noise_rate", "low", "high"]).rename_axis("method")
    joint = estimate_joint(labels, probabilities)
    true = joint.sum(0)
    transition = np.where(true[:, None] > 0, joint.T / np.maximum(true, 1e-12)[:, None], np.eye(classes))
    rate = NoiseRate(
        float(methods["noise_rate"].iloc[0]),
        float(methods["low"].min()),
        float(methods["high"].max()),
    )
    return Estimate(rate, methods, transition, tuple(names) or tuple(map(str, range(classes))))


def _resamples(labels: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Images drawn with replacement within each given class, so that none vanishes."""
    members = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    return [np.concatenate([rng.choice(own, len(own)) for own in members]) for _ in range(RESAMPLES)]


def _confident_learning(labels: NDArray[np.int64], probabilities: Floats) -> float:
    return float(1 - np.trace(estimate_joint(labels, probabilities)))


def _mixture_weight(labels: NDArray[np.int64], probabilities: Floats) -> float:
    losses = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12))
    scaled = (losses - losses.min()) / max(float(np.ptp(losses)), 1e-12)
    # As codim/divide.py fits it, so that the estimate means what the division will do.
    mixture = GaussianMixture(2, reg_covar=5e-4, tol=1e-2, random_state=0).fit(scaled[:, None])
    return float(mixture.weights_[mixture.means_.argmax()])
