"""Instance-dependent label noise."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from codim.noise.base import Images, NoiseKind, Rate, Seed
from codim.noise.transition import Labels


class InstanceNoise(NoiseKind):
    """Part-dependent noise (Xia et al. 2020): a sample's pixels decide which wrong class it is given.

    A sample of class y with the S pixels x (or numbers of an embedding) flips with probability q ~ TruncNormal(rate,
    .1, [0, 1]). With W ~ N(0, 1) of shape (K, S, K), p = q softmax(x W[y]), the softmax over the other classes, and
    p[y] = 1 - q; the given label is drawn from p. Truncation shifts the mean of q near the ends: .129 at rate .1, .206
    at .2, .400 at .4. Rate 0 flips nothing.

    Memory: W[y] is drawn and freed class by class, S K float64 (2.5 MB on CIFAR-100, 60 MB on 50 classes of 224x224
    pixels), and images are read in chunks of 64 MB. Time: about N S K multiplications.
    """

    reads_images: ClassVar[bool] = True

    kind: Literal["instance"] = "instance"
    """Name of this kind of noise."""
    rate: Rate
    """Mean of the flip probabilities before truncation (the nominal rate)."""
    pixels: Literal["raw", "standardised"] = "raw"
    """Scale of the pixels x, which changes the noise. raw: 0 to 255, as in the authors' code and code derived from it;
    what all images share then dominates, so the noise is close to a class map: on CIFAR-10 two thirds or more of a
    class's flips go to one class. standardised: mean 0 and standard deviation 1 per channel over the set; the flips of
    a class then spread (a quarter). Either way x is long, and nearly all of a sample's q goes to one class."""
    seed: Seed = 0
    """Seed of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        rng = np.random.default_rng(self.seed)
        q = flip_rates(self.rate, len(labels), rng)
        uniform = rng.random(len(labels))
        mean, std = scale(images) if self.pixels == "standardised" else (np.zeros(1), np.ones(1))
        size = int(np.prod(images.shape[1:]))
        given = labels.copy()
        for k, stream in enumerate(rng.spawn(num_classes)):
            weights = stream.standard_normal((size, num_classes))
            for index in chunks(np.flatnonzero(labels == k), size):
                x = (images[index] - mean) / std
                p = flip_probabilities(x.reshape(len(index), size), weights, k, q[index])
                given[index] = (p.cumsum(1) > uniform[index, None]).argmax(1)
        return given

    def slope(self, classes: int) -> float:
        """Return the slope as if each class were mistaken for a single other one."""
        return 1 - 2 * self.rate


Index = NDArray[np.int64]

CHUNK_BYTES = 2**26
"""Bytes of the pixels, as float64, that are multiplied at once."""


def flip_rates(rate: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw (n,) flip probabilities q as in InstanceNoise; 0 at rate 0, where the truncated normal would flip 8 %."""
    if rate == 0:
        return np.zeros(n)
    from scipy import stats  # slow to import, and few trainings need it

    return np.asarray(stats.truncnorm.rvs(-rate / 0.1, (1 - rate) / 0.1, rate, 0.1, n, random_state=rng))


def flip_probabilities(
    x: NDArray[np.float64], weights: NDArray[np.float64], true: int, q: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of every given label (n, K), as in InstanceNoise.

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
    """Split the indices into parts whose images, of `size` pixels each, fill CHUNK_BYTES."""
    step = max(CHUNK_BYTES // (8 * size), 1)
    return (index[i : i + step] for i in range(0, len(index), step))


def scale(images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each channel, (C, 1, 1), or of each number of embeddings, (D,); of what is
    constant the deviation is 1."""
    if images.ndim == 2:
        blocks = [*chunks(np.arange(len(images)), images.shape[1])]
        mean = np.sum([images[index].sum(0, dtype=np.float64) for index in blocks], axis=0) / len(images)
        std = np.sqrt(np.sum([((images[index] - mean) ** 2).sum(0) for index in blocks], axis=0) / len(images))
    else:
        mean, std = (values[:, None, None] for values in _channel_scale(images))
    return mean, np.where(std > 0, std, 1)


def _channel_scale(images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts = np.zeros((images.shape[1], 256))
    for index in chunks(np.arange(len(images)), int(np.prod(images.shape[1:]))):
        counts += [np.bincount(images[index, c].ravel(), minlength=256) for c in range(len(counts))]
    shares = counts / counts.sum(1, keepdims=True)
    mean = shares @ np.arange(256)
    std = np.sqrt((shares * (np.arange(256) - mean[:, None]) ** 2).sum(1))
    return mean, std
