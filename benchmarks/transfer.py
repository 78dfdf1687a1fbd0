"""Does it help to start a condition from what was best in its neighbour? A search on replayed trials, with transfer,
without, and at random: how many trials until its best one is within 1 point of the best accuracy there is.

The trials come from a study of the digits that was trained once, without pruning, and tabulated:

    python study/run.py --space benchmarks/transfer.yaml
    python benchmarks/transfer.py --tabulate results/digits-table
    python benchmarks/transfer.py

Settings between the tabulated ones have the value of a random forest over the condition's trials (a surrogate
benchmark; Eggensperger et al. 2015). What a search is shown is the objective's forest, accuracy on noisy validation
labels, plus a normal error, of that forest's error on trials that it was not fitted on: a search may therefore take a
lucky trial for its best. It is judged by the forest of test accuracy at the setting that it takes for its best. The
searches are the study's own (study/search/optuna_search.py), each repetition with another seed, and are compared within
a repetition. The first condition has no neighbour, and is left out of the mean.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tyro
from kept import keep
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from study.dimensions.space import Space
from study.plan.plan import Plan, load_plan
from study.results.folder import ResultsFolder
from study.search.optuna_search import Search
from study.spec.study_spec import Sampler

HERE = Path(__file__).parent
TABLE = HERE / "results" / "digits_table.csv"
COLUMNS = ("objective", "oracle_test_acc")
WITHIN = 0.01
WAYS: dict[str, dict[str, Any]] = {
    "TPE with transfer": {"kind": "tpe", "transfer": True},
    "TPE": {"kind": "tpe"},
    "random": {"kind": "random"},
}


@dataclass(frozen=True)
class Arguments:
    """Searches with and without transfer on a tabulated study."""

    tabulate: Path | None = None
    """Results folder of transfer.yaml: write its table, and search nothing."""
    repetitions: int = 20
    trials: int = 32
    """Of each condition."""
    startup: int = 6
    """Quasi-random trials at the start of a condition's search, as in search_spaces/digits.yaml."""


TREES = 100
Predict = Callable[[Sequence[Mapping[str, Any]]], NDArray[np.float64]]


def surrogate(space: Space, known: Sequence[tuple[Mapping[str, Any], float]]) -> Predict:
    """A random forest fitted to (setting, value) pairs."""

    def coordinates(settings: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        return [[u for path, own in space.items() for u in own.coordinates(setting.get(path))] for setting in settings]

    forest = RandomForestRegressor(TREES, max_features=0.5, random_state=0)
    forest.fit(coordinates([setting for setting, _ in known]), [value for _, value in known])
    return lambda settings: np.asarray(forest.predict(coordinates(settings)), dtype=np.float64)


@dataclass(frozen=True)
class Surface:
    """What a setting reaches in one condition."""

    shown: Predict
    """The objective."""
    error: float
    """Standard deviation of a trial around it."""
    worth: Predict
    """Test accuracy."""
    best: float
    """The highest of the tabulated settings' test accuracies, as predicted."""


def surface(plan: Plan, settings: list[dict[str, float]], shown: list[float], worth: list[float]) -> Surface:
    """From the trials of one condition."""
    space, errors = plan.spec.space, list[float]()
    for rest, left_out in KFold(8, shuffle=True, random_state=0).split(settings):
        predict = surrogate(space, [(settings[i], shown[i]) for i in rest])
        errors += (np.array([shown[i] for i in left_out]) - predict([settings[i] for i in left_out])).tolist()
    objective = surrogate(space, list(zip(settings, shown, strict=True)))
    accuracy = surrogate(space, list(zip(settings, worth, strict=True)))
    return Surface(objective, float(np.std(errors)), accuracy, float(accuracy(settings).max()))


def tabulate(plan: Plan, folder: ResultsFolder) -> None:
    """One row a complete trial."""
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["condition", *plan.spec.space, *COLUMNS])
        for record in sorted(folder.read_trials(), key=lambda record: record.trial):
            if record.status == "complete":
                values = [*(record.params[path] for path in plan.spec.space), *(getattr(record, c) for c in COLUMNS)]
                table.writerow([record.condition, *(f"{value:.6g}" for value in values)])


def tabulated(plan: Plan) -> dict[str, tuple[list[dict[str, float]], list[float], list[float]]]:
    """By condition: settings, their objectives, their test accuracies."""
    if not TABLE.exists():
        raise SystemExit(f"{TABLE} is not there yet: train benchmarks/transfer.yaml, then give --tabulate its results")
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for condition in plan.conditions:
        own = [row for row in rows if row["condition"] == condition.id]
        settings = [{path: float(row[path]) for path in plan.spec.space} for row in own]
        shown, worth = ([float(row[column]) for row in own] for column in COLUMNS)
        found[condition.id] = (settings, shown, worth)
    return found


def searched(plan: Plan, known: dict[str, Surface], seed: int) -> Iterator[tuple[str, float, float]]:
    """Condition, what the search was shown, and what the setting is worth, trial by trial."""
    draw = np.random.default_rng(seed)
    with TemporaryDirectory() as scratch:
        search = Search(plan, Path(scratch, "journal"), {})
        for attempt in iter(search.ask, None):
            own, budget = known[attempt.condition.id], attempt.config.train.samples
            shown = float(own.shown([attempt.params])[0]) + draw.normal(0, own.error)
            search.report(
                attempt, {"epoch": 0, "phase": "cotrain", "samples": budget, "seconds": 1.0, "val_acc": shown}
            )
            search.tell(attempt, attempt.outcome())
            yield attempt.condition.id, shown, float(own.worth([attempt.params])[0])


def needed(plan: Plan, known: dict[str, Surface], seed: int) -> dict[str, int]:
    """By condition: trials until the best one shown is worth enough; one more than there are where none is."""
    trials: dict[str, list[tuple[float, float]]] = {condition.id: [] for condition in plan.conditions}
    for condition, shown, worth in searched(plan, known, seed):
        trials[condition].append((shown, worth))
    found = {}
    for condition, own in trials.items():
        worths = (max(own[:n])[1] for n in range(1, len(own) + 1))
        enough = (n for n, worth in enumerate(worths, 1) if worth >= known[condition].best - WITHIN)
        found[condition] = next(enough, len(own) + 1)
    return found


def told(counts: NDArray[np.int64]) -> str:
    return f"{np.median(counts):g} [{', '.join(f'{q:g}' for q in np.quantile(counts, [0.25, 0.75]))}]"


def main(arguments: Arguments) -> None:
    plan = load_plan(HERE / "transfer.yaml")
    if arguments.tabulate:
        tabulate(plan, ResultsFolder(arguments.tabulate))
        return
    known = {name: surface(plan, *own) for name, own in tabulated(plan).items()}
    budget = plan.spec.budget.model_copy(update={"trials_per_condition": arguments.trials})
    counts: dict[str, list[dict[str, int]]] = {way: [] for way in WAYS}
    for repetition in range(arguments.repetitions):
        for way, own in WAYS.items():
            sampler = Sampler(seed=repetition, startup=arguments.startup, **own)
            spec = plan.spec.model_copy(update={"sampler": sampler, "budget": budget})
            counts[way].append(needed(replace(plan, spec=spec), known, repetition))
        print(f"{repetition + 1}/{arguments.repetitions} repetitions", flush=True)
    lines = [f"| condition | error of a trial | {' | '.join(WAYS)} |", "|:--|--:|" + "--:|" * len(WAYS)]
    for name, one in known.items():
        cells = [told(np.array([found[name] for found in counts[way]])) for way in WAYS]
        lines.append(f"| {name} | {one.error:.3f} | {' | '.join(cells)} |")
    sums = {way: np.array([sum(list(found.values())[1:]) for found in counts[way]]) / (len(known) - 1) for way in WAYS}
    lines.append(f"| mean of all but the first | | {' | '.join(f'{own.mean():.1f}' for own in sums.values())} |")
    for way in list(WAYS)[1:]:
        saved = sums[way] - sums["TPE with transfer"]
        low, high = stats.t.interval(0.95, len(saved) - 1, saved.mean(), stats.sem(saved))
        lines.append(
            f"\nTransfer saves {saved.mean():.1f} trials [{low:.1f}, {high:.1f}] of a condition against {way}."
        )
    lines.append(
        f"\nTrials of a condition until the best is within {WITHIN:g} of the best test accuracy there is; median and "
        f"quartiles of {arguments.repetitions} repetitions of {arguments.trials} trials; {arguments.trials + 1}: not "
        "reached."
    )
    keep("transfer", "\n".join(lines), {"trials": counts})


if __name__ == "__main__":
    main(tyro.cli(Arguments))
