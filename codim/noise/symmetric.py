"""Symmetric label noise."""

import math
from typing import Literal

import numpy as np

from codim.noise.base import Images, NoiseKind, Rate, Seed
from codim.noise.transition import Floats, Labels, symmetric_slope


class SymmetricNoise(NoiseKind):
    """Symmetric noise: `rate` * N samples, drawn over the whole set, get a label drawn uniformly over the classes.

    Example:
        >>> SymmetricNoise(rate=0.5).apply(np.zeros(6, dtype=np.int64), 10, np.empty(0)).tolist()
        [0, 0, 1, 0, 0, 8]
    """

    kind: Literal["symmetric"] = "symmetric"
    """Name of this kind of noise."""
    rate: Rate
    """Share of samples whose label is redrawn (the nominal rate)."""
    include_true: bool = True
    """True: the draw may return the true class, realised rate r (1 - 1/K) (DivideMix and most code). False: the draw is
    over the other K - 1 classes, realised rate r (Co-teaching)."""
    seed: Seed = 0
    """Seed of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        rng = np.random.default_rng(self.seed)
        given = labels.copy()
        chosen = rng.permutation(len(labels))[: round(self.rate * len(labels))]
        if self.include_true:
            given[chosen] = rng.integers(0, num_classes, len(chosen))
        else:
            given[chosen] = (labels[chosen] + rng.integers(1, num_classes, len(chosen))) % num_classes
        return given

    def slope(self, classes: int) -> float:
        return 1 - self.rate * (1 if self.include_true else classes / (classes - 1))

    @classmethod
    def realised_slope(cls, rate: float, transition: Floats, classes: int) -> float:
        return symmetric_slope(rate, classes) if classes > 1 else math.nan
