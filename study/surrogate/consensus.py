"""Consensus of the trials of a condition: their objectives, freed from the luck of which validation labels are wrong.

Accuracy on a few hundred wrong labels says little. The trials' own predictions say more: an image on which most of them
agree has that label, whatever is written on it. `consensus` estimates the true labels from both (Dawid and Skene 1979;
Raykar et al. 2010), measures how far each trial agrees with what the *others* say, and then asks the given labels how
much this agreement is worth. Trials that are worse than the best by more than chance say little in it, so that a
majority of bad ones does not outvote the good; where labels are so noisy that they cannot tell them apart, a mistake
that most trials share is followed (benchmarks/consensus.py).

Order of the estimates: weights of the trials, by their objectives; the crowd, their weighted mean class probabilities;
the power that calibrates these (a mean of trials that differ is less sure than it is right; temperature scaling, Guo et
al. 2017, here by the likelihood of the given labels) and with it the transition matrix from crowd to given labels; for
each trial the posterior of the true labels without it, and its agreement with that; then the trial's worth as `gain *
agreement + own`. Objective and agreement measure worth and agreement with errors whose covariance is known from the
images; gain and the standard deviation of `own` are averaged over by their likelihood (Fay and Herriot 1979; with
errors in the covariate: Ybarra and Lohr 2008). Agreement is measured for several degrees of trust in a trial's
confidence, which are averaged over too: on some data the confident trials are the good ones, on others the bad ones,
and the given labels tell which. One approximation: power and matrix are estimated from all trials, the judged one
included. The standard errors are from images drawn again (the bootstrap; Efron 1979), with the weights, the power, the
matrix and the posteriors as they are.

No true label and no test image is used.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codim.noise.transition import Floats, Labels

FEWEST = 5
"""Minimum number of trials for a consensus: fewer rank each other no better than the labels do."""
SHARPNESS = np.array([2, 4, 8])
"""Powers of a trial's probabilities before its agreement is measured: at 1 it would be judged as if it drew its classes
by its probabilities, at infinity by its likeliest classes. Before the labels are asked, each is half as likely as the
one before. Chosen on 75 digits trials and 33 of Fashion-MNIST a condition (benchmarks/consensus.py)."""
POWERS = np.geomspace(0.5, 8, 9)
"""Powers of the crowd's probabilities of which the likeliest is taken."""
PRIOR = 5
"""Number of images of each class that speak, before any label is asked, for noise that is the same in all classes.
Chosen, like POWERS, on the trials that SHARPNESS was chosen on."""
FLOOR = 1e-4
"""Least probability of a class."""
LEAST, TINY = 0.05, 1e-8
"""Least share by which the variance of the trials' agreements exceeds that of their errors; and least variance of any
error."""
STEPS = 30
"""Steps of expectation and maximisation in which the transition matrix is estimated."""
GAINS = SPREADS = np.geomspace(0.003, 0.2, 10)
"""Standard deviations over the trials, in accuracy on true labels, of what agreement explains and of what it does not:
a grid. Agreement never counts against a trial."""
DRAWS = 20
"""Number of times that the images are drawn again."""


class Consensus(NamedTuple):
    """What `consensus` finds for each of S trials."""

    value: Floats
    """Objectives (S,) without the luck of the labels, on the scale of accuracy on given labels."""
    error: Floats
    """Standard errors (S,) of their differences from the mean of all trials."""


def consensus(probability: Sequence[Floats], labels: Labels, slope: float) -> Consensus:
    """Estimate the objectives of S trials without the luck of the labels.

    Args:
        probability: class probabilities (N, K) of each trial for the validation images.
        labels: their given labels (N,).
        slope: slope of accuracy on given labels against accuracy on true ones, above 0 (codim/noise/transition.py).
    """
    p = np.maximum(np.asarray(probability, dtype=np.float64), FLOOR)
    p /= p.sum(2, keepdims=True)
    right = (p.argmax(2) == labels).astype(np.float64)
    objective = right.mean(1)
    weights = np.exp((objective - objective.max()) / np.sqrt(_errors(_compared(right))[0, 0])) + FLOOR
    agreement = _agreement(p, weights, labels)
    value = _judged(right, agreement, slope)
    rng, drawn = np.random.default_rng(0), []
    for _ in range(DRAWS):
        images = rng.integers(len(labels), size=len(labels))
        again = _judged(right[:, images], agreement[..., images], slope)
        drawn.append(again - again.mean())
    return Consensus(value, np.std(drawn, axis=0, ddof=1))


def _agreement(p: Floats, weights: Floats, labels: Labels) -> Floats:
    """Probability (M, S, N) with which each trial names each image's true label, by the posterior of all others, for
    each of the M sharpnesses."""
    votes = weights[:, None, None] * p
    crowd = votes.sum(0)
    power, matrix = _calibrated(_normalised(crowd), labels)
    given = matrix[:, labels].T
    found = np.empty((len(SHARPNESS), *p.shape[:2]))
    for i, (own, vote) in enumerate(zip(p, votes, strict=True)):
        posterior = _normalised(_normalised(crowd - vote) ** power * given)
        for k, sharpness in enumerate(SHARPNESS):
            found[k, i] = (posterior * _normalised(own**sharpness)).sum(1)
    return found


def _calibrated(crowd: Floats, labels: Labels) -> tuple[float, Floats]:
    """Return the power of the crowd's probabilities (N, K) under which the labels are likeliest, and the transition
    matrix that goes with it."""
    found = []
    for power in POWERS:
        likely = _normalised(crowd**power)
        matrix = _transition(likely, labels)
        found.append((np.log((likely * matrix[:, labels].T).sum(1)).sum(), float(power), matrix))
    _, power, matrix = max(found, key=lambda row: row[0])
    return power, matrix


def _transition(crowd: Floats, labels: Labels) -> Floats:
    """Estimate the transition matrix (K, K), rows: true class, from probabilities (N, K) of the true classes."""
    classes = crowd.shape[1]
    given = np.eye(classes)[labels]
    likely = crowd
    for _ in range(STEPS):
        counts = likely.T @ given
        right = (np.trace(counts) + 1 / 2) / (counts.sum() + 1)
        alike = np.where(np.eye(classes) == 1, right, (1 - right) / (classes - 1))
        matrix = _normalised(counts + PRIOR * alike)
        likely = _normalised(crowd * matrix[:, labels].T)
    return matrix


def _judged(right: Floats, agreement: Floats, slope: float) -> Floats:
    """Expected objectives (S,), from which labels each trial hits (S, N) and how far it agrees (M, S, N)."""
    likelihood, expected = zip(*(_expected(right, agreed, slope) for agreed in agreement), strict=True)
    weights = np.exp(likelihood - np.max(likelihood)) / SHARPNESS[:, None]
    mean: Floats = right.mean() + np.einsum("mg,mgs->s", weights, expected) / weights.sum()
    return mean


def _expected(right: Floats, agreed: Floats, slope: float) -> tuple[Floats, Floats]:
    """For each gain and spread their log-likelihood (G,) and the objectives (G, S) by them, less their mean."""
    both = _compared(right, agreed)
    (objective, agreement), error = both.mean(2), _errors(both)
    gain, spread = (slope * grid.reshape(-1, 1) for grid in np.meshgrid(GAINS, SPREADS))
    variance = max(agreement @ agreement / (len(agreement) - 1), (1 + LEAST) * error[1, 1])
    worth, covariance = gain**2 + spread**2, gain * np.sqrt(variance - error[1, 1])
    by_agreement = (covariance + error[0, 1]) / variance
    left = worth + error[0, 0] - by_agreement**2 * variance
    rest = objective - by_agreement * agreement
    likelihood = -((len(agreement) - 1) * np.log(left[:, 0]) + (rest**2).sum(1) / left[:, 0]) / 2
    own = (worth - covariance * by_agreement) / left
    others = covariance / variance - own * by_agreement
    # In such a regression one may count against a trial because it tells of the other's error. Here it is left out.
    own, others = (
        np.where(others < 0, worth / (worth + error[0, 0]), own.clip(0)),
        np.where(own < 0, covariance / variance, others.clip(0)),
    )
    return likelihood, own * objective + others * agreement


def _compared(*of: Floats) -> Floats:
    """Quantities (S, N) of trials at images, stacked, less their means over the trials: what all of them share, such as
    the images and their wrong labels, is no error between them."""
    x = np.stack(of)
    compared: Floats = x - x.mean(1, keepdims=True)
    return compared


def _errors(x: Floats) -> Floats:
    """Covariance (Q, Q) of the errors of the means over images of Q quantities (Q, S, N), the trials' average."""
    rest = x - x.mean(2, keepdims=True)
    trials, images = x.shape[1:]
    covariance: Floats = np.einsum("psn,qsn->pq", rest, rest) / ((trials - 1) * images**2)
    return covariance + TINY * np.eye(len(x))


def _normalised(x: NDArray[np.float64]) -> Floats:
    rows: Floats = x / x.sum(-1, keepdims=True)
    return rows
