"""How many trials does a search need, per condition, to come within a given regret? Joint search against TPE.

Simulated studies of five noise levels and four settings, in three families: the best values move along the noise rate,
stay, or are drawn anew at each rate. Accuracy on true labels falls with the square of the distance from the best
values; a trial's objective has the slope of its noise and a normal error of ERROR. Two more families, `digits` and
`fashion_mnist`, replay the searches on trials that were trained (tabulated.py): for each proposal stands the nearest
trial that is left, with its predictions of validation images, whose labels are drawn anew for each study. The searches
are the study's own (study/search/optuna_search.py).
After each number of trials a setting is chosen per condition: by the best objective, or by the model of all trials
(study/confirm/choice.py); its regret is in points of accuracy on true labels, averaged over the conditions.

Each study and way is a line of --rows, and one that is there is not repeated. Bars, per family: how many times fewer
trials joint search and choice need for the regret that TPE reaches with --trials trials, chosen by the best objective;
and for each condition of a tabulated study, that their regret at the end is not above TPE's beyond chance. There they
go by the consensus, and TPE by accuracy on given labels; with the same objective they are in the table.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from numpy.typing import NDArray
from scipy import stats
from tabulated import Setting, coordinates, plan_of, tabulated

from study.plan.plan import Plan
from study.plan.tasks import tasks_of
from study.results.rules import compared
from study.search.optuna_search import Search
from study.search.proposal import Proposed
from study.spec.sections import Sampler
from study.surrogate.consensus import FEWEST, consensus
from study.surrogate.process import fit
from study.surrogate.task import Known

Family = Literal["moves", "fixed", "unrelated", "digits", "fashion_mnist"]
TABULATED = ("digits", "fashion_mnist")
ERROR = 0.01
WORST = 0.3
STARTUP = {"tpe": 6, "joint": 3}
NEEDS: dict[Family, float] = {"moves": 2.5, "fixed": 2.5, "unrelated": 0.95, "digits": 2.0, "fashion_mnist": 2.0}
"""How many times fewer trials the joint search has to need."""
COUNTS = (4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40)
"""Trials of a condition after which a setting is chosen."""


@dataclass(frozen=True)
class Arguments:
    """Trials until equal regret, on simulated studies."""

    studies: int = 20
    trials: int = 40
    """Most trials of a condition."""
    families: tuple[Family, ...] = ("moves", "fixed", "unrelated", *TABULATED)
    rows: Path = RESULTS / "trials_to_regret.jsonl"
    workers: int = 2
    quick: bool = False
    """Four studies of 16 trials."""


@dataclass(frozen=True)
class Run:
    """One simulated study, searched in one way."""

    family: Family
    seed: int
    sampler: Literal["tpe", "joint"]
    objective: Literal["given", "consensus"]
    trials: int


class World(Protocol):
    """Worth of all settings, condition by condition."""

    def loss(self, setting: Setting, condition: int) -> float:
        """Return the accuracy on true labels that a setting lacks to the best one."""

    def train(self, attempt: Proposed, condition: int) -> tuple[Setting, float]:
        """Return the setting that is trained for a proposal, and its objective, with an error of its own."""

    def consensus(self, condition: str) -> dict[str, float]:
        """Return trial -> consensus; empty where there is none."""


class Simulated:
    """Accuracy falls with the square of the distance from the best values."""

    def __init__(self, family: Family, seed: int, plan: Plan) -> None:
        rng = np.random.default_rng([5, seed])
        self.space, n = plan.spec.space, len(plan.conditions)
        self.slopes = [task.slope for task in tasks_of(plan).values()]
        self.scale = np.exp(rng.normal(np.log(0.12), 0.8, len(self.space)))
        first, last = rng.uniform(0.1, 0.9, (2, len(self.space)))
        along = np.linspace(0, 1, n)[:, None]
        self.best = {
            "moves": first + (last - first) * along,
            "fixed": np.tile(first, (n, 1)),
            "unrelated": rng.uniform(0.1, 0.9, (n, len(self.space))),
        }[family]
        self.draw = np.random.default_rng(seed)

    def loss(self, setting: Setting, condition: int) -> float:
        x = np.array([number for path, own in self.space.items() for number in own.coordinates(setting[path])])
        return float(min((self.scale * (x - self.best[condition]) ** 2).sum(), WORST))

    def train(self, attempt: Proposed, condition: int) -> tuple[Setting, float]:
        right = 0.9 - self.loss(attempt.params, condition)
        return attempt.params, 0.05 + self.slopes[condition] * right + self.draw.normal(0, ERROR)

    def consensus(self, condition: str) -> dict[str, float]:
        return {}


class Replayed:
    """A tabulated study. The search takes what it proposed for what was trained."""

    def __init__(self, data: str, objective: Literal["given", "consensus"], seed: int, plan: Plan) -> None:
        self.kept, self.space = list(tabulated(plan, data).values()), plan.spec.space
        self.losses = [(own.best - own.worth(own.settings)).tolist() for own in self.kept]
        self.places = [coordinates(self.space, own.settings) for own in self.kept]
        self.given, self.slopes = list[NDArray[np.int64]](), list[float]()
        for own, condition in zip(self.kept, plan.conditions, strict=True):
            classes = own.probability.shape[2]
            self.given.append(condition.noise.model_copy(update={"seed": seed}).apply(own.labels, classes, own.labels))
            self.slopes.append(condition.noise.slope(classes))
        self.agreeing = objective == "consensus"
        self.names = [condition.id for condition in plan.conditions]
        self.trained: list[dict[str, int]] = [{} for _ in self.kept]
        """Trial -> position of what was trained."""
        self.agreed: dict[str, dict[str, float]] = {}

    def loss(self, setting: Setting, condition: int) -> float:
        found: float = self.losses[condition][self.kept[condition].settings.index(dict(setting))]
        return found

    def train(self, attempt: Proposed, condition: int) -> tuple[Setting, float]:
        far = np.square(self.places[condition] - coordinates(self.space, [attempt.params])).sum(1)
        far[list(self.trained[condition].values())] = np.inf
        i = int(far.argmin())
        self.trained[condition][attempt.trial] = i
        self.agreed.pop(attempt.condition.id, None)
        own = self.kept[condition]
        return own.settings[i], float((own.probability[i].argmax(1) == self.given[condition]).mean())

    def consensus(self, condition: str) -> dict[str, float]:
        k = self.names.index(condition)
        if not self.agreeing or len(self.trained[k]) < FEWEST:
            return {}
        if condition not in self.agreed:
            crowd = self.kept[k].probability[list(self.trained[k].values())]
            values = consensus(list(crowd), self.given[k], self.slopes[k]).value
            self.agreed[condition] = dict(zip(self.trained[k], values.tolist(), strict=True))
        return self.agreed[condition]


def ended(search: Search, attempt: Proposed, world: World, condition: int) -> Known:
    """End a trial of the condition of that position with the objective that the world shows."""
    setting, shown = world.train(attempt, condition)
    used = attempt.config.train.samples
    search.report(attempt, {"epoch": 0, "phase": "cotrain", "samples": used, "seconds": 1.0, "val_acc": shown})
    search.tell(attempt, attempt.outcome())
    return Known(attempt.condition.id, setting, shown)


def searched(run: Run) -> dict[str, Any]:
    """Search; return `regret`: number of trials -> regrets in points of the setting with the best objective, of the
    model's choice, and of the best setting that was tried, each a list over the conditions."""
    torch.set_num_threads(1)
    plan = plan_of(run.family if run.family in TABULATED else "simulated")
    sampler = Sampler(kind=run.sampler, seed=run.seed, startup=STARTUP[run.sampler])
    budget = plan.spec.budget.model_copy(update={"trials_per_condition": run.trials})
    plan = replace(plan, spec=plan.spec.model_copy(update={"sampler": sampler, "budget": budget}))
    names = [condition.id for condition in plan.conditions]
    world: World = (
        Replayed(run.family, run.objective, run.seed, plan)
        if run.family in TABULATED
        else Simulated(run.family, run.seed, plan)
    )
    tasks, found, trials = tasks_of(plan), dict[str, list[list[float]]](), dict[str, Known]()
    with TemporaryDirectory() as scratch:
        search = Search(plan, Path(scratch, "journal"), {}, world.consensus)
        for attempt in iter(search.ask, None):
            trials[attempt.trial] = ended(search, attempt, world, names.index(attempt.condition.id))
            count, left = divmod(len(trials), len(names))
            if count in COUNTS and not left:
                agreed = {trial: value for name in names for trial, value in world.consensus(name).items()}
                known = [
                    own._replace(objective=compared(own.objective, agreed.get(trial, math.nan)))
                    for trial, own in trials.items()
                ]
                model = fit(plan.spec.space, tasks, known)
                assert model
                regrets = []
                for k, name in enumerate(names):
                    own = [trial for trial in known if trial.condition == name]
                    by_objective = max(own, key=lambda trial: trial.objective)
                    by_model = own[int(model.mean([trial.setting for trial in own], tasks[name]).argmax())]
                    tried = [world.loss(trial.setting, k) for trial in own]
                    regrets.append([world.loss(by_objective.setting, k), world.loss(by_model.setting, k), min(tried)])
                found[str(count)] = (100 * np.transpose(regrets)).tolist()
    return {"regret": found}


FIRST, LAST = "TPE, best objective", ("joint, model, consensus", "joint, model")
WAYS = {
    FIRST: ("tpe", "given", 0),
    "TPE, model": ("tpe", "given", 1),
    "joint, model": ("joint", "given", 1),
    "joint, model, consensus": ("joint", "consensus", 1),
    "TPE, best tried": ("tpe", "given", 2),
    "joint, best tried": ("joint", "given", 2),
}
"""Way -> sampler, objective, and position of the choice."""


def curves(rows: Sequence[dict[str, Any]], family: str) -> dict[str, NDArray[np.float64]]:
    """Regrets (studies, counts, conditions) of each way, on the same studies."""
    seeds = sorted({row["seed"] for row in rows})
    own = {(row["sampler"], row["objective"], row["seed"]): row["regret"] for row in rows if row["family"] == family}
    return {
        way: np.array([[regret[which] for regret in own[sampler, objective, seed].values()] for seed in seeds])
        for way, (sampler, objective, which) in WAYS.items()
        if (sampler, objective, seeds[0]) in own
    }


def _judged(curve: dict[str, NDArray[np.float64]]) -> str:
    """The way that is compared with TPE: by the consensus, where there is one."""
    return next(way for way in LAST if way in curve)


def fewer(curve: dict[str, NDArray[np.float64]], counts: NDArray[np.int64]) -> float:
    """How many times fewer trials the joint search needs for the last regret of TPE, chosen by the best objective; at
    most as many as the counts can tell."""
    tpe, joint = (curve[way].mean((0, 2)) for way in (FIRST, _judged(curve)))
    target = tpe[-1]
    reached = np.flatnonzero(joint <= target)
    if not len(reached):
        return float(target / joint[-1])
    i = reached[0]
    if i == 0:
        return float(counts[-1] / counts[0])
    share = (joint[i - 1] - target) / (joint[i - 1] - joint[i])
    return float(counts[-1] / (counts[i - 1] + share * (counts[i] - counts[i - 1])))


def each_condition(family: str, curve: dict[str, NDArray[np.float64]]) -> list[Bar]:
    """A bar for each condition of a tabulated study: regret of joint search and choice at the end, less TPE's."""
    bars, names = list[Bar](), [condition.id for condition in plan_of(family).conditions]
    for name, more in zip(names, (curve[_judged(curve)] - curve[FIRST])[:, -1].T, strict=True):
        low, high = stats.ttest_1samp(more, 0).confidence_interval()
        told = f"{more.mean():+.2f} [{low:+.2f}, {high:+.2f}] points"
        bars.append(Bar(f"regret over that of TPE, {family}, {name}", told, "not above 0", bool(low <= 0)))
    return bars


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    if args.quick:
        args = replace(args, studies=4, trials=16)
    logging.disable(logging.WARNING)
    runs = [
        Run(family, seed, sampler, objective, args.trials)
        for seed in range(args.studies)
        for family in args.families
        for sampler, objective in dict.fromkeys(way[:2] for way in WAYS.values())
        if objective == "given" or family in TABULATED
    ]
    rows = finished(args.rows, runs, searched, args.workers, "searches")
    counts = np.array([count for count in COUNTS if count <= args.trials])
    table, bars, rng = [], list[Bar](), np.random.default_rng(0)
    for family in args.families:
        curve = curves(rows, family)
        table += [{"family": family, "way": way} | _rounded(counts, own) for way, own in curve.items()]
        draws = []
        for _ in range(1_000):
            chosen = rng.integers(args.studies, size=args.studies)
            draws.append(fewer({way: own[chosen] for way, own in curve.items()}, counts))
        ratio, (low, high) = fewer(curve, counts), np.quantile(draws, [0.025, 0.975])
        told = f"{ratio:.2f} [{low:.2f}, {high:.2f}] times fewer"
        bars.append(Bar(f"trials, optimum {family}", told, f"{NEEDS[family]:g}", ratio >= NEEDS[family]))
        if family in TABULATED:
            bars += each_condition(family, curve)
    text = pd.DataFrame(table).to_markdown(index=False, disable_numparse=True)
    text += f"\n\nRegret in points of accuracy after so many trials of each condition, mean of {args.studies} studies."
    keep("trials_to_regret" + "-quick" * args.quick, text, {"rows": rows})
    judge(bars)


def _rounded(counts: NDArray[np.int64], own: NDArray[np.float64]) -> dict[str, str]:
    return {str(count): f"{value:.2f}" for count, value in zip(counts, own.mean((0, 2)), strict=True)}


if __name__ == "__main__":
    main()
