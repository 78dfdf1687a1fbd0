"""Consensus of the trials of a condition: their objectives, freed from the luck of which validation labels are wrong.

Accuracy on a few hundred wrong labels says little. The trials' own predictions say more: an image on which most of them
agree has that label, whatever is written on it. `consensus` estimates the true labels from both (Dawid and Skene 1979;
Raykar et al. 2010), measures how far each trial agrees with what the *others* say, and then asks the given labels how
much this agreement is worth. Trials that are worse than the best by more than chance say little in it, so that a
majority of bad ones does not outvote the good; where labels are so noisy that they cannot tell them apart, a mistake
that most trials share is followed (benchmarks/consensus.py).

Order of the estimates: weights of the trials, by their objectives; the crowd, their weighted mean class probabilities;
the transition matrix from crowd to given labels; for each trial the posterior of the true labels without it, and its
agreement with that; then the objective as `level + gain * agreement + own + error`, where the error's variance is known
from the images, and gain and the standard deviation of `own` are averaged over by their likelihood (Fay and Herriot
1979, with agreement as the covariate); then all of it once more, weighted by the result. Two approximations: the
transition matrix is estimated from all trials, the judged one included, and the agreement, which rests on the same
labels as the objective, is taken as free of its error.

No true label and no test image is used.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codim.noise.transition import Floats, Labels

FEWEST = 4
"""Minimum number of trials for a consensus: fewer rank each other no better than the labels do."""
ROUNDS = 2
"""Rounds of weighing the trials and judging them."""
SHARPNESS = 2
"""Power of a trial's probabilities before its agreement is measured: at 1 it would be judged as if it drew its classes
by its probabilities, at infinity by its likeliest classes. Chosen on the digits (benchmarks/consensus.py)."""
FLOOR = 1e-4
"""Least probability of a class."""
STEPS = 30
"""Steps of expectation and maximisation in which the transition matrix is estimated."""
GAINS = SPREADS = np.geomspace(0.003, 0.2, 10)
"""Standard deviations over the trials, in accuracy on true labels, of what agreement explains and of what it does not:
a grid. Agreement never counts against a trial."""


def consensus(probability: Sequence[Floats], labels: Labels, slope: float) -> Floats:
    """Return the objectives (S,) of S trials without the luck of the labels, on the scale of accuracy on given labels.

    Args:
        probability: class probabilities (N, K) of each trial for the validation images.
        labels: their given labels (N,).
        slope: slope of accuracy on given labels against accuracy on true ones, above 0 (codim/noise/transition.py).
    """
    p = np.maximum(np.asarray(probability, dtype=np.float64), FLOOR)
    p /= p.sum(2, keepdims=True)
    right = (p.argmax(2) == labels).astype(np.float64)
    # Trials share the images and their wrong labels: what all of them hit or miss is no error between them.
    error = (right - right.mean(0)).var(1) / len(labels) + 1e-8
    value = objective = right.mean(1)
    for _ in range(ROUNDS):
        weights = np.exp((value - value.max()) / np.sqrt(error.mean())) + FLOOR
        value = _judged(objective, error, _agreement(p, weights, labels), slope)
    return value


def _agreement(p: Floats, weights: Floats, labels: Labels) -> Floats:
    """Probability (S,) with which each trial names the true label, by the posterior of all others."""
    votes = weights[:, None, None] * p
    crowd = votes.sum(0)
    given = _transition(_normalised(crowd), labels)[:, labels].T
    found = []
    for own, vote in zip(p, votes, strict=True):
        posterior = _normalised((crowd - vote) * given)
        found.append((posterior * _normalised(own**SHARPNESS)).sum(1).mean())
    return np.array(found)


def _transition(crowd: Floats, labels: Labels) -> Floats:
    """Estimate the transition matrix (K, K), rows: true class, from probabilities (N, K) of the true classes."""
    given = np.eye(crowd.shape[1])[labels]
    likely = crowd
    for _ in range(STEPS):
        matrix = _normalised(likely.T @ given + 1 / len(given.T))
        likely = _normalised(crowd * matrix[:, labels].T)
    return matrix


def _judged(objective: Floats, error: Floats, agreement: Floats, slope: float) -> Floats:
    """Expected objectives (S,) given the seen ones, the variances of their errors and the agreements."""
    z = (agreement - agreement.mean()) / (agreement.std() + 1e-12)
    expected, likelihood = [], []
    for gain, spread in itertools.product(slope * GAINS, slope * SPREADS):
        precision = 1 / (error + spread**2)
        rest = objective - gain * z
        level = (precision @ rest) / precision.sum()
        rest -= level
        expected.append(level + gain * z + spread**2 * precision * rest)
        likelihood.append((np.log(precision).sum() - np.log(precision.sum()) - precision @ rest**2) / 2)
    weights = np.exp(np.array(likelihood) - max(likelihood))
    mean: Floats = weights @ np.array(expected) / weights.sum()
    return mean


def _normalised(x: NDArray[np.float64]) -> Floats:
    rows: Floats = x / x.sum(-1, keepdims=True)
    return rows
