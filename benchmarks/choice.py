"""Which setting does a small study choose, and what is it worth? By objective or consensus, with and without pruning.

Small studies are drawn at random from the kept trials of a data set (kept_trials.py), their validation labels anew each
time. Of each condition one setting is chosen, and judged by the test accuracy of its
neighbourhood: a random forest over all kept trials, since that of one training is luck, above all where some trainings
lose a class.
Ways to choose among --trials complete trials:

* best objective
* model of objectives: study/surrogate/process.py, by which the study chooses
* model of consensus: the same, with the trials' consensus in place of their objectives
* pruned: for as many samples, COMPLETE of the trials end and the others are pruned at SHARE of the budget, by chance
  or, at best, those with the lowest final objectives; what a real pruner sees lies between. The model knows
  the consensus of the complete ones, and the objectives of the others as `rules.counted` counts them

Bar: the model of the consensus is not below any other way beyond chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
import tyro
from kept import Bar, judge, keep
from numpy.typing import NDArray
from rich.progress import track
from scipy import stats
from tabulated import Kept, plan_of, tabulated

from study.plan.plan import Plan
from study.plan.tasks import tasks_of
from study.results.rules import counted
from study.surrogate.consensus import consensus
from study.surrogate.process import fit
from study.surrogate.task import Known

COMPLETE, SHARE = 3 / 8, 0.57
"""Share of the trials that the digits study completed while it still pruned, and share of its budget at which a trial
was pruned."""
WAYS = ("best objective", "model of objectives", "model of consensus", "pruned by chance", "pruned by objective")


@dataclass(frozen=True)
class Arguments:
    """Worth of the setting that a small study chooses."""

    data: Literal["digits", "fashion_mnist"] = "digits"
    trials: tuple[int, ...] = (6, 8, 10)
    """Complete trials of a condition."""
    repetitions: int = 100


def chosen(plan: Plan, trials: dict[str, Kept], n: int, seed: int) -> Iterator[tuple[str, str, float]]:
    """Condition, way to choose, and the worth of what is chosen, of one small study."""
    rng, tasks = np.random.default_rng([7, n, seed]), tasks_of(plan)
    more = round(n / (COMPLETE + SHARE * (1 - COMPLETE)))
    known: dict[str, list[Known]] = {way: [] for way in WAYS}
    among: dict[tuple[str, str], NDArray[np.int64]] = {}
    for condition in plan.conditions:
        name, own = condition.id, trials[condition.id]
        noise = condition.noise.model_copy(update={"seed": seed})
        classes = own.probability.shape[2]
        given, slope = noise.apply(own.labels, classes, own.labels), noise.slope(classes)
        objective = (own.probability.argmax(2) == given).mean(1)
        drawn = rng.permutation(len(own.settings))[:more]
        order = dict.fromkeys(WAYS[:3], drawn[:n])
        order |= {"pruned by chance": drawn, "pruned by objective": drawn[np.argsort(-objective[drawn])]}
        for way, tried in order.items():
            ended = round(COMPLETE * more) if way.startswith("pruned") else n
            values = objective[tried]
            if way not in ("best objective", "model of objectives"):
                values[:ended] = consensus(list(own.probability[tried[:ended]]), given, slope).value
            counts = counted(zip(["complete"] * ended + ["pruned"] * (len(tried) - ended), values, strict=True))
            known[way] += [Known(name, own.settings[i], float(v)) for i, v in zip(tried, counts, strict=True)]
            among[way, name] = tried[:ended]
    for way in WAYS:
        model = fit(plan.spec.space, tasks, known[way])
        assert model
        for name, own in trials.items():
            candidates = among[way, name]
            values = model.mean([own.settings[i] for i in candidates], tasks[name])
            if way == "best objective":
                values = np.array([trial.objective for trial in known[way] if trial.condition == name])
            yield name, way, float(own.worth([own.settings[candidates[int(values.argmax())]]])[0])


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    torch.set_num_threads(1)
    plan = plan_of(args.data)
    trials, table, bars = tabulated(plan, args.data), [], list[Bar]()
    for n in args.trials:
        rows = [
            (seed, *row)
            for seed in track(range(args.repetitions), description=f"studies of {n} trials")
            for row in chosen(plan, trials, n, seed)
        ]
        frame = pd.DataFrame(rows, columns=["seed", "condition", "way", "worth"])
        for name, own in frame.groupby("condition", sort=False):
            wide = 100 * own.pivot_table(index="seed", columns="way", values="worth")
            table.append({"condition": name, "trials": n} | {way: f"{wide[way].mean():.2f}" for way in WAYS})
            for way in (way for way in WAYS if way != "model of consensus"):
                gain = wide["model of consensus"] - wide[way]
                low, high = stats.ttest_1samp(gain, 0).confidence_interval()
                told = f"{gain.mean():+.2f} [{low:+.2f}, {high:+.2f}] points"
                bars.append(Bar(f"{name}, {n} trials, over {way}", told, "not below 0", bool(high >= 0)))
    text = pd.DataFrame(table).to_markdown(index=False, disable_numparse=True)
    best = ", ".join(
        f"{name} {100 * own.worth(own.settings).mean():.1f}, {100 * own.best:.1f}" for name, own in trials.items()
    )
    text += f"\n\nMeans of {args.repetitions} small studies; a trial by chance, and the best of all: {best}."
    keep(f"choice-{args.data}", text, {"table": table})
    judge(bars)


if __name__ == "__main__":
    main()
