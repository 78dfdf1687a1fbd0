"""The robust setting: minimax regret over the noise conditions (Savage 1951), in points of accuracy on true labels.

A searched setting was trained in one condition only, so what it would reach in the others is predicted: per condition a
random forest over the settings, fitted on that condition's own trials (as surrogates of tabulated benchmarks are;
Eggensperger et al. 2015). In its own condition too the prediction counts: the best measured value of many is the
luckiest, and would make every other setting's regret too large.

Objectives of two conditions differ in scale, since the same loss of accuracy on true labels costs less on noisier ones:
each is divided by its slope, which follows from the noise that the study file names. Nothing that only an observer
knows enters: no test image, and no true label.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from codim.noise import AsymmetricNoise, NoiseSpec
from codim.noise_maps import CLASS_MAPS
from study.dimensions import CategoricalDimension, Dimension
from study.records import Value
from study.space import encoded

FLAT_SLOPE = 0.05
"""At or below this slope the objective says next to nothing about accuracy on true labels."""
TREES = 100
Floats = NDArray[np.float64]


def clean_slope(noise: NoiseSpec, classes: int) -> float:
    """How much expected accuracy on given labels moves with accuracy on true labels, from the nominal noise: for
    symmetric noise 1 - e K / (K - 1), for class-dependent noise `confusable_slope`.

    1 where the noise is that of the data, and unknown. Instance noise: as if each class were taken for one other.
    """
    if noise.kind == "none" or noise.kind == "file":
        return 1.0
    if noise.kind == "symmetric":
        return 1 - noise.rate * (1 if noise.include_true else classes / (classes - 1))
    if noise.kind == "openset":
        return 1 - noise.rate
    if noise.kind == "asymmetric":
        return confusable_slope(_nominal_transition(noise))
    return 1 - 2 * noise.rate


def confusable_slope(transition: Sequence[Sequence[float]] | Floats) -> float:
    """How much expected accuracy on given labels moves with accuracy on true labels when the mistakes lie where the
    noise is: mean over classes of T[i, i] - max T[i, j], weighted by the class's share of the noise, 1 - T[i, i].

    `transition`: (K, K), rows are true classes. 1 for the identity; `analysis.statistics.symmetric_slope` for symmetric
    noise. Our reading, from the definition of T. It assumes classes of equal size, that a class is mistaken as often as
    its labels are wrong, and always for the class that the noise prefers: networks do confuse what the noise confuses.
    Classes without noise are no part of it, since a network that learns the noise errs in the others; mistakes in them
    would make the slope steeper. Asymmetric noise of .4 in half of the classes: .2, where the mean over all classes is
    .6; sixteen trainings on digits with that noise measured .31 (Theil-Sen, 95 % interval .27 to .41).
    """
    t = np.asarray(transition, dtype=float)
    right = np.diag(t)
    others = np.where(np.eye(len(t), dtype=bool), -np.inf, t).max(axis=1)
    wrong = 1 - right
    return float(np.average(right - others, weights=wrong)) if wrong.any() else 1.0


def _nominal_transition(noise: AsymmetricNoise) -> Floats:
    targets = CLASS_MAPS[noise.map]
    matrix = (1 - noise.rate) * np.eye(len(targets))
    for column in targets.T:
        matrix[np.arange(len(targets)), column] += noise.rate / targets.shape[1]
    return matrix


def surrogate(
    space: Mapping[str, Dimension], known: Sequence[tuple[Mapping[str, Value], float]], trees: int = TREES
) -> Callable[[Sequence[Mapping[str, Value]]], Floats]:
    """What predicts the objectives (n,) of n settings in one condition, from (setting, objective) `known` there."""
    from sklearn.ensemble import RandomForestRegressor  # slow to import

    forest = RandomForestRegressor(trees, max_features=0.5, random_state=0)
    forest.fit([_coordinates(space, params) for params, _ in known], [value for _, value in known])

    def predict(settings: Sequence[Mapping[str, Value]]) -> Floats:
        return np.asarray(forest.predict([_coordinates(space, params) for params in settings]), dtype=np.float64)

    return predict


def minimax(objectives: Floats, slopes: Sequence[float]) -> int | None:
    """The candidate whose largest regret is least; the first of equals. None where no condition can rank.

    Args:
        objectives: (candidates, conditions); the regret is the best of a condition minus it, over the slope.
        slopes: of the conditions; flat ones do not count.
    """
    steep = np.asarray(slopes) > FLAT_SLOPE
    if not steep.any():
        return None
    clean = objectives[:, steep] / np.asarray(slopes)[steep]
    return int((clean.max(0) - clean).max(1).argmin())


def _coordinates(space: Mapping[str, Dimension], params: Mapping[str, Value]) -> list[float]:
    """A setting as numbers; a tree asks for their order only, so ranges need no scale."""
    numbers: list[float] = []
    for path, dimension in space.items():
        value = params.get(path)  # None: its `when` does not hold
        if isinstance(dimension, CategoricalDimension):
            numbers += [float(choice == value) for choice in dimension.choices]
        else:
            numbers.append(math.nan if value is None else float(encoded(dimension, value)))
    return numbers
