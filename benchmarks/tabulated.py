"""Surfaces of the trials that kept_trials.py keeps, so that searches can be replayed on them.

Settings between the kept ones have the value of a random forest over the condition's trials (a surrogate benchmark;
Eggensperger et al. 2015). A search is shown the objective's forest, plus a normal error, of that forest's error on
trials that it was not fitted on: it may therefore take a lucky trial for its best. The objective is accuracy on given
validation labels, drawn once, or the consensus of crowds of CROWD trials, into which they are divided at random. The
search is judged by the forest of test accuracy. The method is a dimension of the spaces, which are in tables/.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from kept_trials import MEMORISING, Trial, kept_at, point
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from study.dimensions.space import Space
from study.plan.plan import Plan, load_plan
from study.results.predictions import SCALE, decode
from study.surrogate.consensus import consensus

TABLES = Path(__file__).with_name("tables")
CROWD = 10
"""Trials of a condition in a small study."""
TREES = 100
Predict = Callable[[Sequence[Mapping[str, Any]]], NDArray[np.float64]]


def forest(space: Space, known: Sequence[tuple[Mapping[str, Any], float]]) -> Predict:
    """Fit a random forest to (setting, value) pairs."""

    def coordinates(settings: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        return [[u for path, own in space.items() for u in own.coordinates(setting.get(path))] for setting in settings]

    fitted = RandomForestRegressor(TREES, max_features=0.5, random_state=0)
    fitted.fit(coordinates([setting for setting, _ in known]), [value for _, value in known])
    return lambda settings: np.asarray(fitted.predict(coordinates(settings)), dtype=np.float64)


@dataclass(frozen=True)
class Surface:
    """Values of all settings in one condition."""

    shown: Predict
    """The objective."""
    error: float
    """Standard deviation of a trial around it."""
    worth: Predict
    """Test accuracy."""
    best: float
    """The highest of the tabulated settings' test accuracies, as predicted."""


def surface(plan: Plan, settings: list[dict[str, float]], shown: list[float], worth: list[float]) -> Surface:
    """Return what the trials of one condition tell of all settings."""
    space, errors = plan.spec.space, list[float]()
    for rest, left_out in KFold(8, shuffle=True, random_state=0).split(settings):
        predict = forest(space, [(settings[i], shown[i]) for i in rest])
        errors += (np.array([shown[i] for i in left_out]) - predict([settings[i] for i in left_out])).tolist()
    objective = forest(space, list(zip(settings, shown, strict=True)))
    accuracy = forest(space, list(zip(settings, worth, strict=True)))
    return Surface(objective, float(np.std(errors)), accuracy, float(accuracy(settings).max()))


def plan_of(table: str) -> Plan:
    """Return the plan of a study in tables/."""
    return load_plan(TABLES / f"{table}.yaml", nominal=True)


class Kept(NamedTuple):
    """The searched trials of a condition."""

    settings: list[dict[str, Any]]
    given: list[float]
    """Accuracy on given validation labels."""
    consensus: list[float]
    worth: list[float]
    """Accuracy on the test images."""


def tabulated(plan: Plan, data: str) -> dict[str, Kept]:
    """Return the searched trials of each condition."""
    rows, found = pd.read_json(kept_at(data), lines=True), {}
    for condition in plan.conditions:
        own = rows[(rows["condition"] == condition.id) & (rows["number"] < MEMORISING)]
        seen = [decode(told) for told in own["predictions"]]
        labels, classes = seen[0].labels, seen[0].probability.shape[1]
        given = condition.noise.apply(labels, classes, labels)
        probability = np.stack([one.probability / SCALE for one in seen])
        agreed = np.empty(len(own))
        order = np.random.default_rng(0).permutation(len(own))
        for crowd in np.array_split(order, len(order) // CROWD):
            agreed[crowd] = consensus(list(probability[crowd]), given, condition.noise.slope(classes)).value
        settings = [point(Trial(data, condition.id, int(number))) for number in own["number"]]
        accuracy = (probability.argmax(2) == given).mean(1)
        found[condition.id] = Kept(settings, accuracy.tolist(), agreed.tolist(), own["test_acc"].tolist())
    return found
