"""Pair-flip label noise."""

from typing import Literal

import numpy as np

from codim.noise.base import Images, NoiseKind, Rate, Seed
from codim.noise.transition import Labels


class PairFlipNoise(NoiseKind):
    """Flip each sample to the next class, circularly, with probability `rate`: T[i, i + 1] = rate (as Co-teaching)."""

    kind: Literal["pairflip"] = "pairflip"
    """Name of this kind of noise."""
    rate: Rate
    """Probability of a flip (the nominal rate)."""
    seed: Seed = 0
    """Seed of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        flipped = np.random.default_rng(self.seed).random(len(labels)) < self.rate
        return np.where(flipped, (labels + 1) % num_classes, labels)

    def slope(self, classes: int) -> float:
        return 1 - 2 * self.rate
