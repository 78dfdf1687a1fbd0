"""Asymmetric (class-conditional) label noise."""

from typing import Literal

import numpy as np

from codim.noise.base import Images, NoiseKind, Rate, Seed
from codim.noise.class_maps import CLASS_MAPS
from codim.noise.transition import Labels, confusable_slope


class AsymmetricNoise(NoiseKind):
    """Flip each sample of a mapped class to its target class with probability `rate`; other classes stay clean.

    The draws are independent (as Patrini et al., ELR and Sel-CL). Some code flips an exact share instead, of each class
    or of the whole set (DivideMix, C2D): the same in expectation.
    """

    kind: Literal["asymmetric"] = "asymmetric"
    """Name of this kind of noise."""
    rate: Rate
    """Probability of a flip within a mapped class (the nominal rate; the rate over the whole set is lower if some
    classes stay clean)."""
    map: Literal["cifar10", "digits", "fashion_mnist", "superclass-next", "superclass-uniform", "block5-next", "next"]
    """Map from each class to the classes it is mistaken for.
    cifar10: truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog (Patrini et al. 2017).
    digits: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1, the confusions that Patrini et al. use for handwritten digits.
    fashion_mnist: ankle boot -> sneaker -> sandal, pullover -> shirt, coat <-> dress (Zhang & Sabuncu 2018,
    "Generalized cross entropy loss").
    The others are four definitions for CIFAR-100 that papers call by the same name; results are not comparable.
    superclass-next: the next fine id of the same superclass, circularly (Sel-CL, LongReMix).
    superclass-uniform: any of the other four classes of the superclass, equally likely (C2D).
    block5-next: the next id within a block of five consecutive fine ids, circularly (Patrini et al., ELR, UNICON).
    Fine ids are in alphabetical order, so only 6 % of these flips stay in the superclass.
    next: the next of all 100, circularly, as pair flip (DISC)."""
    seed: Seed = 0
    """Seed of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        targets = CLASS_MAPS[self.map]
        if len(targets) != num_classes:
            raise ValueError(f"noise/map {self.map!r} needs {len(targets)} classes, the data have {num_classes}")
        rng = np.random.default_rng(self.seed)
        flipped = rng.random(len(labels)) < self.rate
        return np.where(flipped, targets[labels, rng.integers(0, targets.shape[1], len(labels))], labels)

    def slope(self, classes: int) -> float:
        targets = CLASS_MAPS[self.map]
        transition = (1 - self.rate) * np.eye(len(targets))
        for column in targets.T:
            transition[np.arange(len(targets)), column] += self.rate / targets.shape[1]
        return confusable_slope(transition)
