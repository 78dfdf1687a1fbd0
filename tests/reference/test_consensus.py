"""Consensus of trials against a literal transcription of its equations, image by image and class by class."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from codim.noise.transition import Floats, Labels
from study.surrogate.consensus import FLOOR, GAINS, ROUNDS, SHARPNESS, SPREADS, STEPS, consensus


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
    error = []
    for s in range(trials):
        own = [right[s][i] - sum(right[r][i] for r in range(trials)) / trials for i in range(images)]
        mean = sum(own) / images
        error.append(sum((x - mean) ** 2 for x in own) / images / images + 1e-8)

    value = objective
    for _ in range(ROUNDS):
        worth = [math.exp((v - max(value)) / math.sqrt(sum(error) / trials)) + FLOOR for v in value]
        likelihood, expected = 0.0, [0.0] * trials
        for sharpness in SHARPNESS:
            agreement = agreements(p, worth, labels, sharpness)
            for density, means in judged(objective, error, agreement, slope):
                likelihood += density / sharpness
                expected = [e + density / sharpness * m for e, m in zip(expected, means, strict=True)]
        value = [e / likelihood for e in expected]
    return value


def agreements(p: Floats, worth: list[float], labels: Labels, sharpness: float) -> list[float]:
    trials, images, classes = p.shape
    q = []
    for i in range(images):
        votes = [sum(worth[s] * p[s, i, k] for s in range(trials)) for k in range(classes)]
        q.append([x / sum(votes) for x in votes])
    crowd = q
    for _ in range(STEPS):
        t = []
        for true in range(classes):
            row = [1 / classes + sum(q[i][true] for i in range(images) if labels[i] == y) for y in range(classes)]
            t.append([x / sum(row) for x in row])
        q = []
        for i in range(images):
            row = [crowd[i][k] * t[k][labels[i]] for k in range(classes)]
            q.append([x / sum(row) for x in row])

    agreement = []
    for s in range(trials):
        total = 0.0
        for i in range(images):
            others = [
                sum(worth[r] * p[r, i, k] for r in range(trials) if r != s) * t[k][labels[i]] for k in range(classes)
            ]
            sharp = [p[s, i, k] ** sharpness for k in range(classes)]
            total += sum(others[k] / sum(others) * sharp[k] / sum(sharp) for k in range(classes))
        agreement.append(total / images)
    return agreement


def judged(
    objective: list[float], error: list[float], agreement: list[float], slope: float
) -> Iterator[tuple[float, list[float]]]:
    """Likelihood of each gain and spread, and the objectives expected by them."""
    trials = len(objective)
    middle = sum(agreement) / trials
    spread = math.sqrt(sum((a - middle) ** 2 for a in agreement) / trials)
    z = [(a - middle) / (spread + 1e-12) for a in agreement]

    for gain in slope * GAINS:
        for own_spread in slope * SPREADS:
            variance = [e + own_spread**2 for e in error]
            rest = [objective[s] - gain * z[s] for s in range(trials)]
            level = sum(r / v for r, v in zip(rest, variance, strict=True)) / sum(1 / v for v in variance)
            # Density of the objectives, the level integrated out under a flat prior.
            density = 1 / math.sqrt(sum(1 / v for v in variance))
            for r, v in zip(rest, variance, strict=True):
                density *= math.exp(-((r - level) ** 2) / 2 / v) / math.sqrt(v)
            own = [own_spread**2 / v * (r - level) for r, v in zip(rest, variance, strict=True)]
            yield density, [level + gain * z[s] + own[s] for s in range(trials)]


@pytest.mark.parametrize("seed", range(4))
def test_consensus(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet([0.3] * 3, (5, 20))
    labels = rng.integers(3, size=20)
    found = consensus(list(probability), labels, slope=0.4).value
    assert found == pytest.approx(literal(probability, labels, 0.4), abs=1e-10)
