"""A study of the digits that was trained once, without pruning, and tabulated, so that searches can be replayed on it:

    python study/run.py --space benchmarks/digits_table.yaml
    python benchmarks/tabulated.py --results results/digits-table

Settings between the tabulated ones have the value of a random forest over the condition's trials (a surrogate
benchmark; Eggensperger et al. 2015). A search is shown the objective's forest, accuracy on noisy validation labels,
plus a normal error, of that forest's error on trials that it was not fitted on: it may therefore take a lucky trial for
its best. It is judged by the forest of test accuracy.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from study.dimensions.space import Space
from study.plan.plan import Plan, load_plan
from study.results.folder import ResultsFolder

HERE = Path(__file__).parent
STUDY, TABLE = HERE / "digits_table.yaml", HERE / "results" / "digits_table.csv"
COLUMNS = ("objective", "oracle_test_acc")
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


def tabulated(plan: Plan) -> dict[str, tuple[list[dict[str, float]], list[float], list[float]]]:
    """Return by condition: settings, their objectives, their test accuracies."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for condition in plan.conditions:
        own = [row for row in rows if row["condition"] == condition.id]
        settings = [{path: float(row[path]) for path in plan.spec.space} for row in own]
        shown, worth = ([float(row[column]) for row in own] for column in COLUMNS)
        found[condition.id] = (settings, shown, worth)
    return found


def main(results: Path) -> None:
    """Write the table: a row a complete trial.

    Args:
        results: results folder of digits_table.yaml.
    """
    plan = load_plan(STUDY)
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["condition", *plan.spec.space, *COLUMNS])
        for record in sorted(ResultsFolder(results).read_trials(), key=lambda record: record.trial):
            if record.status == "complete":
                values = [*(record.params[path] for path in plan.spec.space), *(getattr(record, c) for c in COLUMNS)]
                table.writerow([record.condition, *(f"{value:.6g}" for value in values)])


if __name__ == "__main__":
    tyro.cli(main)
