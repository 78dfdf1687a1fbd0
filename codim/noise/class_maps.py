"""Class maps of asymmetric noise: which class is mistaken for which.

A map is an array (K, m) int64; row k holds the m classes that a sample of class k may be given, each equally likely. A
row that only holds k itself: the class stays clean.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

ClassMap = NDArray[np.int64]

CIFAR100_SUPERCLASSES: dict[str, tuple[int, ...]] = {
    "aquatic mammals": (4, 30, 55, 72, 95),
    "fish": (1, 32, 67, 73, 91),
    "flowers": (54, 62, 70, 82, 92),
    "food containers": (9, 10, 16, 28, 61),
    "fruit and vegetables": (0, 51, 53, 57, 83),
    "household electrical devices": (22, 39, 40, 86, 87),
    "household furniture": (5, 20, 25, 84, 94),
    "insects": (6, 7, 14, 18, 24),
    "large carnivores": (3, 42, 43, 88, 97),
    "large man-made outdoor things": (12, 17, 37, 68, 76),
    "large natural outdoor scenes": (23, 33, 49, 60, 71),
    "large omnivores and herbivores": (15, 19, 21, 31, 38),
    "medium-sized mammals": (34, 63, 64, 66, 75),
    "non-insect invertebrates": (26, 45, 77, 79, 99),
    "people": (2, 11, 35, 46, 98),
    "reptiles": (27, 29, 44, 78, 93),
    "small mammals": (36, 50, 65, 74, 80),
    "trees": (47, 52, 56, 59, 96),
    "vehicles 1": (8, 13, 48, 58, 90),
    "vehicles 2": (41, 69, 81, 85, 89),
}
"""Fine ids of each superclass, in the order of the coarse ids 0 to 19, from the two labels that CIFAR-100's own files
give every image (Krizhevsky 2009; www.cs.toronto.edu/~kriz/cifar.html)."""


def _map(num_classes: int, targets: Mapping[int, Iterable[int]]) -> ClassMap:
    """Build a map from classes to their targets, the same number for each; all other classes stay clean."""
    found = {k: tuple(own) for k, own in targets.items()}
    width = max(map(len, found.values()))
    return np.array([found.get(k, (k,) * width) for k in range(num_classes)])


def _next(groups: Iterable[Iterable[int]], num_classes: int) -> ClassMap:
    """Map each class to the next of its group, the last to the first."""
    return _map(num_classes, {k: (successor,) for own in map(list, groups) for k, successor in _circle(own)})


def _circle(group: list[int]) -> Iterable[tuple[int, int]]:
    return zip(group, group[1:] + group[:1], strict=True)


def _others(groups: Iterable[Iterable[int]], num_classes: int) -> ClassMap:
    """Map each class to all others of its group."""
    return _map(num_classes, {k: [j for j in own if j != k] for own in map(list, groups) for k in own})


CLASS_MAPS: dict[str, ClassMap] = {
    "cifar10": _map(10, {9: [1], 2: [0], 4: [7], 3: [5], 5: [3]}),
    "digits": _map(10, {2: [7], 3: [8], 5: [6], 6: [5], 7: [1]}),
    "fashion_mnist": _map(10, {9: [7], 7: [5], 2: [6], 4: [3], 3: [4]}),
    "superclass-next": _next(CIFAR100_SUPERCLASSES.values(), 100),
    "superclass-uniform": _others(CIFAR100_SUPERCLASSES.values(), 100),
    "block5-next": _next((range(first, first + 5) for first in range(0, 100, 5)), 100),
    "next": _next([range(100)], 100),
}
"""Maps by name; `AsymmetricNoise.map` documents each and who uses it."""
