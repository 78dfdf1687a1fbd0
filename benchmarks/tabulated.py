"""Studies replayed on the trials that kept_trials.py keeps, real predictions and all.

The spaces, with the method as a dimension, are in tables/. The luck of a single training is no merit of its setting:
settings are judged by a random forest over the test accuracies of the condition's trials (a surrogate benchmark;
Eggensperger et al. 2015), that of a trial by those of its trees that have not seen it. By all of its trees, a way to
choose would be rewarded for finding the lucky trainings.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from kept_trials import MEMORISING, Trial, kept_at, point
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from study.dimensions.base import Value
from study.dimensions.space import Space
from study.plan.plan import Plan, load_plan
from study.results.predictions import SCALE, decode

TABLES = Path(__file__).with_name("tables")
TREES = 500
Setting = Mapping[str, Value]


class Kept(NamedTuple):
    """The searched trials of a condition."""

    settings: list[dict[str, Any]]
    probability: NDArray[np.float64]
    """Class probabilities of the validation images, (trials, N, K)."""
    labels: NDArray[np.int64]
    """True labels of these images, (N,)."""
    worth: Callable[[Sequence[Setting]], NDArray[np.float64]]
    """Returns the test accuracies of settings, by the forest."""

    @property
    def best(self) -> float:
        """The highest of the settings' test accuracies."""
        return float(self.worth(self.settings).max())


def plan_of(table: str) -> Plan:
    """Return the plan of a study in tables/."""
    return load_plan(TABLES / f"{table}.yaml", nominal=True)


def tabulated(plan: Plan, data: str) -> dict[str, Kept]:
    """Return the searched trials of each condition."""
    rows, found = pd.read_json(kept_at(data), lines=True), {}
    for name in (condition.id for condition in plan.conditions):
        own = rows[(rows["condition"] == name) & (rows["number"] < MEMORISING)]
        seen = [decode(told) for told in own["predictions"]]
        settings = [point(Trial(data, name, int(number))) for number in own["number"]]
        probability = np.stack([one.probability / SCALE for one in seen])
        found[name] = Kept(settings, probability, seen[0].labels, _forest(plan.spec.space, settings, own["test_acc"]))
    return found


def coordinates(space: Space, settings: Sequence[Setting]) -> NDArray[np.float64]:
    """Return the coordinates (n, d) of settings in a model of the trials."""
    return np.array([[u for path, own in space.items() for u in own.coordinates(of.get(path))] for of in settings])


def _forest(
    space: Space, settings: Sequence[Setting], values: Sequence[float]
) -> Callable[[Sequence[Setting]], NDArray[np.float64]]:
    fitted = RandomForestRegressor(TREES, max_features=0.5, oob_score=True, random_state=0)
    fitted.fit(coordinates(space, settings), values)
    unseen = dict(zip(map(_key, settings), fitted.oob_prediction_, strict=True))

    def worth(asked: Sequence[Setting]) -> NDArray[np.float64]:
        predicted = fitted.predict(coordinates(space, asked))
        return np.array([unseen.get(_key(one), other) for one, other in zip(asked, predicted, strict=True)])

    return worth


def _key(setting: Setting) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(setting.items()))
