"""How many trials does `stop_when` save, and is the expected regret at which it ends a search the true one?

Simulated studies of trials_to_regret.py, searched and chosen jointly, with several `stop_when/expected_regret`. Of each
condition the setting is chosen at the end by the model of all trials; its regret is in points of accuracy on true
labels, averaged over the conditions. Beside it stands the regret of a search without the rule after as many trials of
each condition as the rule used in the mean. Each study and threshold is a line of --rows, and one that is there is not
repeated. Bars: a study that is to end at a regret has no more than twice that regret, beyond chance, and no more than a
search without the rule after as many trials.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
import tyro
from kept import RESULTS, Bar, finished, judge, keep
from scipy import stats
from tabulated import plan_of
from trials_to_regret import COUNTS, STARTUP, Family, Simulated, ended

from study.plan.tasks import tasks_of
from study.search.optuna_search import Search
from study.spec.sections import Sampler, StopWhen
from study.surrogate.process import fit
from study.surrogate.task import Known


@dataclass(frozen=True)
class Arguments:
    """Trials and regret of searches that end by themselves."""

    studies: int = 10
    trials: int = 40
    """Most trials of a condition."""
    families: tuple[Family, ...] = ("moves", "fixed", "unrelated")
    thresholds: tuple[float, ...] = (0.005, 0.01, 0.02)
    """Values of `stop_when/expected_regret`."""
    rows: Path = RESULTS / "stop_when.jsonl"
    workers: int = 2
    quick: bool = False
    """Three studies of 16 trials."""


@dataclass(frozen=True)
class Run:
    """One simulated study."""

    family: Family
    seed: int
    threshold: float
    trials: int


def searched(run: Run) -> dict[str, Any]:
    """Search; return the number of trials of each condition, and its regret in points."""
    torch.set_num_threads(1)
    plan = plan_of("simulated")
    update = {
        "sampler": Sampler(kind="joint", seed=run.seed, startup=STARTUP["joint"]),
        "budget": plan.spec.budget.model_copy(update={"trials_per_condition": run.trials}),
        "stop_when": StopWhen(expected_regret=run.threshold),
    }
    plan = replace(plan, spec=plan.spec.model_copy(update=update))
    names = [condition.id for condition in plan.conditions]
    world, tasks, known = Simulated(run.family, run.seed, plan), tasks_of(plan), list[Known]()
    regret = dict[str, float]()
    with TemporaryDirectory() as scratch:
        search = Search(plan, Path(scratch, "journal"), {})
        for attempt in iter(search.ask, None):
            known.append(ended(search, attempt, world, names.index(attempt.condition.id)))
            count, left = divmod(len(known), len(names))
            if not run.threshold and not left and count in COUNTS:
                regret[str(count)] = _regret(world, plan.spec.space, tasks, known, names)
    trials = len(known) / len(names)
    return {"trials_used": trials, "regret": regret or {"end": _regret(world, plan.spec.space, tasks, known, names)}}


def _regret(world: Simulated, space: Any, tasks: Any, known: list[Known], names: list[str]) -> float:
    model, losses = fit(space, tasks, known), []
    assert model
    for k, name in enumerate(names):
        own = [trial.setting for trial in known if trial.condition == name]
        losses.append(world.loss(own[int(model.mean(own, tasks[name]).argmax())], k))
    return 100 * float(np.mean(losses))


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    if args.quick:
        args = replace(args, studies=3, trials=16)
    logging.disable(logging.WARNING)
    runs = [
        Run(family, seed, threshold, args.trials)
        for seed in range(args.studies)
        for family in args.families
        for threshold in (0.0, *args.thresholds)
    ]
    rows = finished(args.rows, runs, searched, args.workers, "searches")
    own = {(row["family"], row["threshold"], row["seed"]): row for row in rows}
    table, bars = [], list[Bar]()
    for family in args.families:
        curves = [own[family, 0.0, seed]["regret"] for seed in range(args.studies)]
        counts = [int(count) for count in curves[0]]
        for threshold in args.thresholds:
            stopped = [own[family, threshold, seed] for seed in range(args.studies)]
            used = np.array([row["trials_used"] for row in stopped])
            regret = np.array([row["regret"]["end"] for row in stopped])
            equal = np.array([np.interp(used.mean(), counts, list(curve.values())) for curve in curves])
            whole = np.array([curve[str(counts[-1])] for curve in curves])
            low, high = stats.ttest_rel(regret, equal).confidence_interval()
            table.append(
                {
                    "family": family,
                    "expected_regret": f"{100 * threshold:g}",
                    "trials": f"{used.mean():.1f} ({used.min():.1f} to {used.max():.1f})",
                    "regret": f"{regret.mean():.2f}",
                    "at as many trials": f"{equal.mean():.2f}",
                    f"at {counts[-1]}": f"{whole.mean():.2f}",
                }
            )
            told = f"{(regret - equal).mean():+.2f} [{low:+.2f}, {high:+.2f}] points"
            name = f"{family}, at {100 * threshold:g}"
            bars.append(Bar(f"{name}, over as many trials", told, "not above 0", bool(low <= 0)))
            low, high = stats.ttest_1samp(regret, 0).confidence_interval()
            told = f"{regret.mean():.2f} [{low:.2f}, {high:.2f}] points"
            bars.append(Bar(f"{name}, regret", told, f"<= {200 * threshold:g}", bool(low <= 200 * threshold)))
    text = pd.DataFrame(table).to_markdown(index=False, disable_numparse=True)
    text += f"\n\nTrials of a condition, and regret in points of accuracy; means of {args.studies} studies."
    keep("stop_when" + "-quick" * args.quick, text, {"rows": rows})
    judge(bars)


if __name__ == "__main__":
    main()
