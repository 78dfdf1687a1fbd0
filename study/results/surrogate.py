"""Surrogate model of the objective: a random forest over the settings of finished trials."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from codim.noise.transition import Floats
from study.dimensions.base import Dimension, Value

TREES = 100


def surrogate(
    space: Mapping[str, Dimension], known: Sequence[tuple[Mapping[str, Value], float]], trees: int = TREES
) -> Callable[[Sequence[Mapping[str, Value]]], Floats]:
    """Return a function that predicts the objectives (n,) of n settings, fitted to the (setting, objective) `known`."""
    from sklearn.ensemble import RandomForestRegressor  # slow to import

    forest = RandomForestRegressor(trees, max_features=0.5, random_state=0)
    forest.fit([_coordinates(space, params) for params, _ in known], [value for _, value in known])

    def predict(settings: Sequence[Mapping[str, Value]]) -> Floats:
        return np.asarray(forest.predict([_coordinates(space, params) for params in settings]), dtype=np.float64)

    return predict


def _coordinates(space: Mapping[str, Dimension], params: Mapping[str, Value]) -> list[float]:
    """Return the features of a setting; trees use only their order, so ranges need no scaling."""
    return [number for path, dimension in space.items() for number in dimension.coordinates(params.get(path))]
