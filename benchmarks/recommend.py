"""Is the advice worth taking? Each rate of symmetric noise of a tabulated study (tabulated.py) is held out in turn: the
advice for it comes from the trials at the other rates alone, and is judged by the test accuracy that a random forest
over the held-out condition's own trials gives to the setting (a surrogate benchmark; Eggensperger et al. 2015). Beside
it the candidate (what the advice would be if it had nothing to prove), the robust setting, the default one, and the
best trial of the nearest other rate by its validation accuracy. The tables have no trial of the default.

Each repetition sees another half of the trials of each condition, drawn without replacement. The advice knows the rate
as an interval of +-.05, whose middle is off by up to as much. Bar: not more regret than the default settings, beyond
chance; less where these are not the best.

With `--study simulated`, trials of the same space whose truth is known stand in place of trained ones: the best
temperature falls along the noise (`truth`), each repetition draws settings and errors anew, and regret is exact.

Usage: python benchmarks/recommend.py [--study fashion_mnist | simulated] [--repetitions 20]
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import tyro
from kept import Bar, judge, keep
from rich.progress import track
from tabulated import plan_of, tabulated

from analysis.advice.noise_rate import NoiseRate
from analysis.advice.recommend import OPTIONS, recommend
from analysis.frames.load import Trials, load_trials
from analysis.statistics.intervals import interval
from study.plan.plan import Condition, Plan
from study.preflight.checks import resolved_spec
from study.results.folder import ResultsFolder, write_json
from study.results.records import TrialRecord

WIDTH = 0.05
"""Of the estimate: from the middle to the end of its interval."""
CLASSES = 10
VALIDATION_IMAGES = {"digits": 336, "fashion_mnist": 1_000, "simulated": 336}
BEST, TRIALS, ERROR = 0.95, 32, 0.003
"""Of simulated studies: the highest accuracy, trials a condition, standard deviation of an objective."""
Table = Mapping[str, tuple[Sequence[dict[str, float]], Sequence[float]]]
"""Condition -> settings, and their objectives."""


@dataclass(frozen=True)
class Arguments:
    """Regret of the advice on held-out noise rates."""

    study: Literal["digits", "fashion_mnist", "simulated"] = "digits"
    repetitions: int = 20
    held_out: tuple[str, ...] = ()
    """Conditions that are held out in turn; by default all."""


def realised(nominal: float) -> float:
    """Symmetric noise may draw the true class."""
    return nominal * (CLASSES - 1) / CLASSES


def truth(settings: Mapping[str, float], rate: float) -> float:
    """Accuracy on true labels: a parabola over the logarithm of the temperature, whose best value falls from .8 without
    noise to .05 at a nominal rate of .8; nothing else matters."""
    best = 0.8 * (0.05 / 0.8) ** (rate / 0.8)
    return BEST - min(0.05 * math.log(settings["contrastive/temperature"] / best) ** 2, 0.3)


def simulated(plan: Plan, seed: int) -> Table:
    """By condition: TRIALS random settings, and their objectives with an error of ERROR."""
    rng, found = np.random.default_rng(seed), {}
    for condition in plan.conditions:
        u = rng.random((TRIALS, len(plan.spec.space)))
        columns = {
            path: own.low * (own.high / own.low) ** x if own.log else own.low + x * (own.high - own.low)
            for (path, own), x in zip(plan.spec.space.items(), u.T, strict=True)
        }
        settings = [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]
        worth, wrong = np.array([truth(own, condition.noise.rate) for own in settings]), realised(condition.noise.rate)
        given = worth * (1 - wrong) + (1 - worth) * wrong / (CLASSES - 1) + rng.normal(0, ERROR, TRIALS)
        found[condition.id] = settings, given.tolist()
    return found


@dataclass(frozen=True)
class Replayed:
    """Trials that stand for a study, and what the settings that come of them are worth."""

    data: str
    table: Table
    share: float
    """Of a condition's trials, which one repetition sees."""
    regret: Callable[[Condition, dict[str, float]], float]


def replayed_trials(plan: Plan, data: str) -> Replayed:
    kept, table = tabulated(plan, data), {}
    for condition in plan.conditions:
        own = kept[condition.id]
        given = condition.noise.apply(own.labels, CLASSES, own.labels)
        table[condition.id] = (own.settings, (own.probability.argmax(2) == given).mean(1).tolist())

    def regret(condition: Condition, settings: dict[str, float]) -> float:
        own = kept[condition.id]
        return own.best - float(own.worth([settings])[0])

    return Replayed(data, table, 0.5, regret)


def replayed_truth(plan: Plan, seed: int) -> Replayed:
    def regret(condition: Condition, settings: dict[str, float]) -> float:
        return BEST - truth(settings, condition.noise.rate)

    return Replayed("simulated", simulated(plan, seed), 1, regret)


def study_of(plan: Plan, table: Table, chosen: Mapping[str, Sequence[int]], data: str, folder: Path) -> Trials:
    """The chosen trials of each condition, as a study left them behind."""
    records = [
        TrialRecord(
            trial=f"{condition.id}-{i:04d}",
            condition=condition.id,
            noise_kind="symmetric",
            noise_rate=condition.noise.rate,
            status="complete",
            cause="",
            baseline="",
            params=dict(table[condition.id][0][i]),
            config={},
            seed=0,
            budget=1,
            objective=table[condition.id][1][i],
            oracle_noise_rate=realised(condition.noise.rate),
            oracle_transition=[[0.0] * CLASSES] * CLASSES,
        )
        for condition in plan.conditions
        for i in chosen.get(condition.id, ())
    ]
    results = ResultsFolder(folder)
    results.root.mkdir()
    results.write_trials(records)
    write_json(results.spec, resolved_spec(plan))
    write_json(results.environment, {"validation_images": VALIDATION_IMAGES[data], "classes": CLASSES})
    return load_trials(folder)


def nearest(plan: Plan, table: Table, chosen: Mapping[str, Sequence[int]], rate: float) -> dict[str, float]:
    """The best trial seen at the nearest rate."""
    rates = {condition.id: condition.noise.rate for condition in plan.conditions if condition.id in chosen}
    neighbour = min(rates, key=lambda name: abs(rates[name] - rate))
    settings, objectives = table[neighbour]
    return settings[max(chosen[neighbour], key=lambda i: objectives[i])]


def repetition(plan: Plan, replayed: Replayed, held_out: Sequence[Condition], seed: int) -> list[dict[str, Any]]:
    """Regret of each way at each rate, in accuracy on true labels."""
    rng, table, rows = np.random.default_rng(seed), replayed.table, []
    for condition in held_out:
        counts = {other.id: len(table[other.id][0]) for other in plan.conditions if other is not condition}
        chosen = {
            name: rng.choice(count, int(replayed.share * count), replace=False).tolist()
            for name, count in counts.items()
        }
        true = realised(condition.noise.rate)
        middle = true + rng.uniform(-WIDTH, WIDTH)
        with TemporaryDirectory() as scratch:
            trials = study_of(plan, table, chosen, replayed.data, Path(scratch, "study"))
        options = recommend(trials, NoiseRate(middle, middle - WIDTH, middle + WIDTH)).options
        settings = {name: options.loc[name, list(plan.spec.space)].to_dict() for name in OPTIONS}
        settings["best of the nearest rate"] = nearest(plan, table, chosen, condition.noise.rate)
        regrets = {name: replayed.regret(condition, own) for name, own in settings.items()}
        rows.append({"condition": condition.id} | regrets)
    return rows


def main(arguments: Arguments) -> None:
    plan = plan_of(arguments.study)
    plan = replace(plan, conditions=tuple(own for own in plan.conditions if own.noise.kind == "symmetric"))
    trained = None if arguments.study == "simulated" else replayed_trials(plan, arguments.study)
    held_out = [own for own in plan.conditions if not arguments.held_out or own.id in arguments.held_out]
    rows = [
        repetition(plan, trained or replayed_truth(plan, seed), held_out, seed)
        for seed in track(range(arguments.repetitions), "Holding out")
    ]
    names = [name for name in rows[0][0] if name != "condition"]
    lines = [f"| held out | {' | '.join(names)} |", "|:--|" + "--:|" * len(names)]
    for i, condition in enumerate(held_out):
        cells = [f"{100 * np.mean([row[i][name] for row in rows]):.2f}" for name in names]
        lines.append(f"| {condition.id} | {' | '.join(cells)} |")
    means = {name: np.array([np.mean([one[name] for one in row]) for row in rows]) for name in names}
    lines.append(f"| mean | {' | '.join(f'{100 * own.mean():.2f}' for own in means.values())} |")
    for name in names[1:]:
        saved = means[name] - means[names[0]]
        own = interval(saved.tolist())
        told = f"{100 * own.mean:.2f} points [{100 * own.low:.2f}, {100 * own.high:.2f}]"
        lines.append(f"\nAgainst {name} the advice saves {told}.")
    lines.append(f"\nRegret in points of test accuracy, mean of {arguments.repetitions} repetitions.")
    keep(f"recommend-{arguments.study}", "\n".join(lines), {"rows": rows})
    saved = interval((means["default"] - means["recommended"]).tolist())
    told = f"{100 * saved.mean:.2f} [{100 * saved.low:.2f}, {100 * saved.high:.2f}] points"
    judge([Bar("regret saved against the default", told, "not below 0", bool(saved.high >= 0))])


if __name__ == "__main__":
    main(tyro.cli(Arguments))
