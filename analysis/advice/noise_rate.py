"""Estimation of the share of wrong labels from out-of-fold predictions (`python -m codim crossval`).

If a given label and a prediction disagree, one of them is wrong. A prediction that never saw the label seldom repeats
its mistake by chance, so the share that disagrees overestimates the noise by at most the classifier's own errors. The
classifier errs less where it is sure, and wrong labels are no rarer there unless they were given to hard images (images
that look like their class, "anchor points": Liu and Tao 2016; Patrini et al. 2017). Hence the rate is taken as the
share that disagrees among the surer half of each predicted class, and

* the upper end of its interval from all images: no classifier is free of errors, and noise on hard images is counted,
* the lower end as if the classifier erred half as often on the sure half as on all images: the rate minus what all
  images add to it. A weak classifier errs nearly as often where it is sure. It betrays itself where two networks that
  were trained alike predict other classes: the lower end is therefore also at most the rate that would remain if the
  accuracy of the classifier were the share of images on which both agree, to the power AGREEMENT_POWER.

Both ends are those of 95% of resampled data sets. `benchmarks/noise_interval.py` measures how often the interval holds
the rate. Without `agree`, for predictions of other programs, it is too high for a classifier that errs nearly as often
where it is sure. If classifier and labels make the same mistakes, as with noise that looks like structure, all of this
is too low.

Two more estimates are reported for comparison only. Confident learning (Northcutt et al. 2021, arXiv 1911.00068;
cleanlab) counts images whose prediction for another class is as confident as that class' own images are on average; it
calls hard images of the right class wrong. The mixture (Arazo et al. 2019; DivideMix) fits two normals to the losses
and takes the weight of the one with the higher mean; it splits a single mode too, and finds noise in clean data.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from cleanlab.count import estimate_joint
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

RESAMPLES = 40
SURE_SHARE = 0.5
"""Share of the images of each predicted class, the surest ones, that count as sure."""
AGREEMENT_POWER = 2.5
"""Networks agree more often than they are right, above all weak ones, which share their errors. The smallest of 1.5, 2,
2.5, 3 and 4 whose intervals held the rate in all of 76 cases like those of `benchmarks/noise_interval.py`, with other
seeds."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseRate:
    """Share of wrong labels in [0, 1] and its plausible interval (95%)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Estimated noise of a data set with unknown true labels."""

    rate: NoiseRate
    methods: pd.DataFrame
    """Estimates indexed by method: `noise_rate`, and `low` and `high`, the 95% range over resampled images, which is
    not a confidence interval of the rate: all methods are biased. The first method is the one that is used."""
    transition: Floats
    """Transition matrix (K, K) by confident learning, rows: true class, each sums to 1."""
    classes: tuple[str, ...]
    """Names of the K classes."""
    agreement: float
    """Share of images on which two networks that were trained alike predict one class; NaN if unknown."""


def given(rate: float) -> NoiseRate:
    """Return a rate given by the user, taken as exact."""
    if not 0 <= rate < 1:
        raise ValueError(f"--noise-rate: {rate:g}; allowed: 0 or more, below 1")
    return NoiseRate(rate, rate, rate)


def estimate(
    labels: NDArray[np.int64],
    probabilities: Floats,
    names: Sequence[str] = (),
    agree: NDArray[np.bool_] | None = None,
) -> Estimate:
    """Estimate from given labels (N,) and out-of-fold probabilities (N, K).

    Args:
        names: of the classes, else numbers.
        agree: whether two networks that were trained alike predict the same class, (N,).

    Raises ValueError: a class has no image.
    """
    classes = probabilities.shape[1]
    if missing := sorted(set(range(classes)) - set(labels.tolist())):
        raise ValueError(f"no image has class {missing[0]} (of {classes}) as its label; every class needs one")
    measured: dict[str, Callable[[NDArray[np.int64], Floats], float]] = {
        "disagreement, sure half": partial(_disagreement, share=SURE_SHARE),
        "disagreement, all": partial(_disagreement, share=1.0),
        "confident learning": _confident_learning,
        "loss mixture": _mixture_weight,
    }
    again = _resamples(labels, np.random.default_rng(0))
    spread = {name: [measure(labels[i], probabilities[i]) for i in again] for name, measure in measured.items()}
    rows = {
        name: (measure(labels, probabilities), *np.quantile(spread[name], [0.025, 0.975]))
        for name, measure in measured.items()
    }
    methods = pd.DataFrame.from_dict(rows, orient="index", columns=["noise_rate", "low", "high"]).rename_axis("method")
    joint = estimate_joint(labels, probabilities)
    true = joint.sum(0)
    transition = np.where(true[:, None] > 0, joint.T / np.maximum(true, 1e-12)[:, None], np.eye(classes))
    sure, everywhere = (np.array(spread[name]) for name in list(measured)[:2])
    value = rows["disagreement, sure half"][0]
    least, most = np.quantile(2 * sure - everywhere, 0.025), np.quantile(everywhere, 0.975)
    if agree is not None:
        accuracy = np.array([agree[i].mean() for i in again]) ** AGREEMENT_POWER
        least = min(least, np.quantile(_rate_at(accuracy, 1 - everywhere, classes), 0.025))
    rate = NoiseRate(value, float(np.clip(least, 0, value)), float(max(most, value)))
    agreement = math.nan if agree is None else float(agree.mean())
    return Estimate(rate, methods, transition, tuple(names) or tuple(map(str, range(classes))), agreement)


def _rate_at(accuracy: Floats, agreement: Floats, classes: int) -> Floats:
    """Return the noise rate at which predictions of this accuracy repeat this share of the given labels, if wrong
    predictions are spread evenly over the other classes: agreement = (1 - r) a + r (1 - a) / (K - 1)."""
    above = accuracy - (1 - accuracy) / (classes - 1)
    # Predictions no better than chance say nothing: all labels may be right.
    return np.where(above > 0, (accuracy - agreement) / np.where(above > 0, above, 1), 0)


def _resamples(labels: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Resample images with replacement within each given class, so that no class vanishes."""
    members = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    return [np.concatenate([rng.choice(own, len(own)) for own in members]) for _ in range(RESAMPLES)]


def _disagreement(labels: NDArray[np.int64], probabilities: Floats, share: float) -> float:
    """Share of labels that differ from the predicted class, among the surest `share` of each predicted class (by the
    margin over the second class), weighted by the class sizes."""
    predicted = probabilities.argmax(1)
    first, second = np.sort(probabilities, axis=1)[:, :-3:-1].T
    wrong = 0.0
    for k, size in enumerate(np.bincount(predicted)):
        own = np.flatnonzero(predicted == k)
        sure = own[np.argsort((second - first)[own], kind="stable")][: math.ceil(share * size)]
        wrong += size * float((labels[sure] != k).mean()) if size else 0.0
    return wrong / len(labels)


def _confident_learning(labels: NDArray[np.int64], probabilities: Floats) -> float:
    return float(1 - np.trace(estimate_joint(labels, probabilities)))


def _mixture_weight(labels: NDArray[np.int64], probabilities: Floats) -> float:
    losses = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12))
    scaled = (losses - losses.min()) / max(float(np.ptp(losses)), 1e-12)
    # Fitted as in codim/division/divide.py, so that the estimate reflects what the division will do.
    mixture = GaussianMixture(2, reg_covar=5e-4, tol=1e-2, random_state=0).fit(scaled[:, None])
    return float(mixture.weights_[mixture.means_.argmax()])
