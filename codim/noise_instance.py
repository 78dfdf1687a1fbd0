"""The arithmetic of instance-dependent noise, in parts that fit the memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]

CHUNK_BYTES = 2**26
"""Pixels of as many images as are multiplied at once, as float64."""


def flip_rates(rate: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n,) draws of q, as InstanceNoise says; 0 at rate 0, where the truncated normal would still flip 8 %."""
    if rate == 0:
        return np.zeros(n)
    from scipy import stats  # slow to import, and few trainings need it

    return np.asarray(stats.truncnorm.rvs(-rate / 0.1, (1 - rate) / 0.1, rate, 0.1, n, random_state=rng))


def flip_probabilities(
    x: NDArray[np.float64], weights: NDArray[np.float64], true: int, q: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of every given label (n, K), as InstanceNoise says.

    Args:
        x: (n, S) pixels of samples of class `true`.
        weights: (S, K), W of that class.
        q: (n,) flip probabilities.
    """
    from scipy import special

    logits = x @ weights
    logits[:, true] = -np.inf
    p: NDArray[np.float64] = q[:, None] * special.softmax(logits, axis=1)
    p[:, true] = 1 - q
    return p


def chunks(index: Index, size: int) -> Iterator[Index]:
    """The indices in parts whose images, of `size` pixels each, fill CHUNK_BYTES."""
    step = max(CHUNK_BYTES // (8 * size), 1)
    return (index[i : i + step] for i in range(0, len(index), step))


def channel_scale(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation per channel; a constant channel counts as one of deviation 1."""
    counts = np.zeros((images.shape[1], 256))
    for index in chunks(np.arange(len(images)), int(np.prod(images.shape[1:]))):
        counts += [np.bincount(images[index, c].ravel(), minlength=256) for c in range(len(counts))]
    shares = counts / counts.sum(1, keepdims=True)
    mean = shares @ np.arange(256)
    std = np.sqrt((shares * (np.arange(256) - mean[:, None]) ** 2).sum(1))
    return mean, np.where(std > 0, std, 1)
