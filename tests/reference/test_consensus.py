"""Consensus of trials against a literal transcription of its equations, image by image and class by class."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from codim.noise.transition import Floats, Labels
from study.surrogate.consensus import FLOOR, GAINS, LEAST, POWERS, PRIOR, SHARPNESS, SPREADS, STEPS, TINY, consensus


def literal(probability: Floats, labels: Labels, slope: float) -> list[float]:
    trials, images, classes = probability.shape
    p = np.empty_like(probability)
    for s in range(trials):
        for i in range(images):
            total = sum(max(x, FLOOR) for x in probability[s, i])
            for k in range(classes):
                p[s, i, k] = max(probability[s, i, k], FLOOR) / total

    right = [[float(np.argmax(p[s, i]) == labels[i]) for i in range(images)] for s in range(trials)]
    objective = [sum(hits) / images for hits in right]
    error = math.sqrt(error_covariance(right, right) + TINY)
    worth = [math.exp((v - max(objective)) / error) + FLOOR for v in objective]
    likelihood, expected = 0.0, [0.0] * trials
    for sharpness in SHARPNESS:
        for density, means in judged(right, agreements(p, worth, labels, sharpness), slope):
            likelihood += density / sharpness
            expected = [e + density / sharpness * m for e, m in zip(expected, means, strict=True)]
    return [e / likelihood for e in expected]


def agreements(p: Floats, worth: list[float], labels: Labels, sharpness: float) -> list[list[float]]:
    trials, images, classes = p.shape
    q = []
    for i in range(images):
        votes = [sum(worth[s] * p[s, i, k] for s in range(trials)) for k in range(classes)]
        q.append([x / sum(votes) for x in votes])
    _, power, t = max((calibrated(q, labels, power) for power in POWERS), key=lambda found: found[0])

    agreement = []
    for s in range(trials):
        own = []
        for i in range(images):
            votes = [sum(worth[r] * p[r, i, k] for r in range(trials) if r != s) for k in range(classes)]
            others = [(votes[k] / sum(votes)) ** power * t[k][labels[i]] for k in range(classes)]
            sharp = [p[s, i, k] ** sharpness for k in range(classes)]
            own.append(sum(others[k] / sum(others) * sharp[k] / sum(sharp) for k in range(classes)))
        agreement.append(own)
    return agreement


def calibrated(q: list[list[float]], labels: Labels, power: float) -> tuple[float, float, list[list[float]]]:
    """Log-likelihood of the labels where the crowd's probabilities are raised to a power, and the transition matrix."""
    images, classes = len(q), len(q[0])
    crowd = [[x**power / sum(y**power for y in own) for x in own] for own in q]
    q = crowd
    for _ in range(STEPS):
        counts = [
            [sum(q[i][true] for i in range(images) if labels[i] == y) for y in range(classes)]
            for true in range(classes)
        ]
        right = (sum(counts[k][k] for k in range(classes)) + 0.5) / (images + 1)
        t = []
        for true in range(classes):
            alike = [right if y == true else (1 - right) / (classes - 1) for y in range(classes)]
            row = [counts[true][y] + PRIOR * alike[y] for y in range(classes)]
            t.append([x / sum(row) for x in row])
        q = []
        for i in range(images):
            row = [crowd[i][k] * t[k][labels[i]] for k in range(classes)]
            q.append([x / sum(row) for x in row])
    likelihood = [sum(crowd[i][k] * t[k][labels[i]] for k in range(classes)) for i in range(images)]
    return sum(map(math.log, likelihood)), power, t


def error_covariance(one: list[list[float]], other: list[list[float]]) -> float:
    """Covariance of the errors of two means over images, relative to the mean of all trials: the trials' average."""
    trials, images = len(one), len(one[0])
    total = 0.0
    for s in range(trials):
        rests = []
        for of in (one, other):
            own = [of[s][i] - sum(of[r][i] for r in range(trials)) / trials for i in range(images)]
            rests.append([x - sum(own) / images for x in own])
        total += sum(a * b for a, b in zip(*rests, strict=True)) / images**2
    return total / (trials - 1)


def judged(right: list[list[float]], agreed: list[list[float]], slope: float) -> Iterator[tuple[float, list[float]]]:
    """Likelihood of each gain and spread, and the objectives expected by them.

    By the joint normal distribution of a trial's worth w, its objective y and its agreement z, with matrices.
    """
    trials, images = len(right), len(right[0])
    y, z = ([sum(own) / images for own in of] for of in (right, agreed))
    level = sum(y) / trials
    y, z = ([x - sum(of) / trials for x in of] for of in (y, z))
    error = np.array([[error_covariance(a, b) for b in (right, agreed)] for a in (right, agreed)]) + TINY * np.eye(2)
    variance = max(sum(x * x for x in z) / (trials - 1), (1 + LEAST) * error[1, 1])
    latent = math.sqrt(variance - error[1, 1])
    for gain in slope * GAINS:
        for spread in slope * SPREADS:
            true = np.array([[gain**2 + spread**2, gain * latent], [gain * latent, latent**2]])
            both = true + error
            share = np.linalg.solve(both, true[0])
            if share.min() < 0:
                only = int(share.argmax())
                share = np.eye(2)[only] * true[0, only] / both[only, only]
            # Density of the objectives given the agreements, the level integrated out under a flat prior.
            left = np.linalg.det(both) / both[1, 1]
            rest = [a - both[0, 1] / both[1, 1] * b for a, b in zip(y, z, strict=True)]
            density = left ** (-(trials - 1) / 2) * math.exp(-sum(r * r for r in rest) / left / 2)
            yield density, [level + share[0] * a + share[1] * b for a, b in zip(y, z, strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_consensus(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet([0.3] * 3, (5, 20))
    labels = rng.integers(3, size=20)
    found = consensus(list(probability), labels, slope=0.4).value
    assert found == pytest.approx(literal(probability, labels, 0.4), abs=1e-10)
