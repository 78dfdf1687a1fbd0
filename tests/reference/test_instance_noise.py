"""Instance-dependent noise against its definition, sample by sample, from the same random draws."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from codim.noise.instance import InstanceNoise, flip_probabilities, flip_rates

K, N, SHAPE = 4, 300, (2, 3, 3)
S = math.prod(SHAPE)


def probabilities(x: Any, y: int, q: float, w: Any) -> list[float]:
    """Xia et al. 2020: of each given label for one sample; w (K, S, K)."""
    logits = [sum(x[s] * w[y][s][k] for s in range(S)) for k in range(K)]
    largest = max(logits[k] for k in range(K) if k != y)
    weights = [0.0 if k == y else math.exp(logits[k] - largest) for k in range(K)]
    p = [q * weight / sum(weights) for weight in weights]
    p[y] += 1 - q
    return p


def sample(seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed + 100)
    return rng.integers(0, 256, (N, *SHAPE)).astype(np.uint8), rng.integers(0, K, N)


def pixels_of(images: Any, form: str) -> Any:
    if form == "raw":
        return images.astype(float).reshape(N, S)
    mean, std = images.mean((0, 2, 3), keepdims=True), images.std((0, 2, 3), keepdims=True)
    return ((images - mean) / std).reshape(N, S)


@pytest.mark.parametrize("form", ["raw", "standardised"])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_flip_probabilities_are_their_definition(form: str, scale: float) -> None:
    """Short x too, where the softmax has more than one large entry."""
    images, labels = sample(0)
    rng = np.random.default_rng(0)
    x, w, q = scale * pixels_of(images, form), rng.standard_normal((K, S, K)), rng.random(N)
    for k in range(K):
        own = np.flatnonzero(labels == k)
        found = flip_probabilities(x[own], w[k], k, q[own])
        expected = [probabilities(x[i], k, q[i], w) for i in own]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["raw", "standardised"])
@pytest.mark.parametrize("rate", [0.1, 0.4, 1.0])
def test_labels_are_drawn_from_these_probabilities(form: str, rate: float) -> None:
    """The draws in their order: q of all samples, one uniform number each, then W class by class."""
    images, labels = sample(1)
    rng = np.random.default_rng(3)
    q, uniform = flip_rates(rate, N, rng), rng.random(N)
    w = [stream.standard_normal((S, K)) for stream in rng.spawn(K)]
    x = pixels_of(images, form)
    expected = []
    for i in range(N):
        cumulated, k = 0.0, -1
        while cumulated <= uniform[i]:
            k += 1
            cumulated += probabilities(x[i], int(labels[i]), q[i], w)[k]
        expected.append(k)
    found = InstanceNoise(rate=rate, pixels=form, seed=3).apply(labels, K, images)  # type: ignore[arg-type]
    assert found.tolist() == expected
    assert (found != labels).any()


@pytest.mark.parametrize(("rate", "mean"), [(0.1, 0.129), (0.2, 0.206), (0.4, 0.400), (1.0, 0.920)])
def test_flip_rates_follow_the_truncated_normal_distribution(rate: float, mean: float) -> None:
    q = flip_rates(rate, 20_000, np.random.default_rng(0))

    def cumulative(v: Any) -> Any:
        low, high = (stats.norm.cdf(end, rate, 0.1) for end in (0, 1))
        return (stats.norm.cdf(v, rate, 0.1) - low) / (high - low)

    assert q.min() >= 0
    assert q.max() <= 1
    assert stats.kstest(q, cumulative).pvalue > 1e-3
    assert q.mean() == pytest.approx(mean, abs=2e-3)
