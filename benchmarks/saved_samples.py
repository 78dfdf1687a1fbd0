"""How many samples do pruning and shared stages save, at the same best confirmed accuracy?

    python benchmarks/saved_samples.py --space search_spaces/digits.yaml

The study of a file, without its baselines, against a search by the same sampler whose trials all run to the end, each
with a pre-training and a warm-up of its own. Of each search the best setting of each condition by the objective is then
confirmed as study/confirm/confirm.py does: at full budget on training and validation part, with noise and seeds that no
search saw, the same noise for all searches. Each repetition searches anew with another seed of the sampler, and the
ways are compared within it. Trials run one after the other, in this process and its copies, without Ray; a trial that
shares its stages has the curve of one that does not, to the last bit (tests/study/worker/test_stages.py), so the
full-budget search uses the shared ones too and is charged for its own.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
import tyro
from kept import keep
from scipy import stats

from study.confirm.choice import choose
from study.confirm.confirm import Confirm
from study.monitor.recorder import Recorder
from study.plan.plan import Plan, load_plan
from study.plan.shared_stages import shared_stages
from study.preflight.forecast import used
from study.results.folder import ResultsFolder
from study.search.optuna_search import Search
from study.spec.sections import Confirm as ConfirmSpec
from study.spec.sections import Pruner
from study.trial import Attempt, Queue
from study.worker.job import Job
from study.worker.stages import compute_stage
from study.worker.trainable import train

FULL, STUDY = "TPE at full budget", "the study file"


@dataclass(frozen=True)
class Arguments:
    """Samples and confirmed accuracy of a study against a search at full budget."""

    space: Path = Path("search_spaces/digits.yaml")
    """Study file."""
    repetitions: int = 4
    seeds: int = 3
    """Confirmations of a setting."""
    processes: int = 2


class Found(NamedTuple):
    """One search and its confirmations."""

    way: str
    repetition: int
    samples: int
    """Drawn by the search."""
    accuracies: dict[str, float]
    """Condition -> mean test accuracy of its best setting's confirmations."""


def variant(plan: Plan, way: str, arguments: Arguments, repetition: int) -> Plan:
    changes: dict[str, Any] = {
        "baselines": {},
        "confirm": ConfirmSpec(top_k=1, seeds=arguments.seeds),
        "sampler": plan.spec.sampler.model_copy(update={"seed": repetition}),
    }
    if way == FULL:
        changes["pruner"] = Pruner(kind="none")
    return replace(plan, spec=plan.spec.model_copy(update=changes))


def run(queue: Queue[Any], recorder: Recorder, attempt: Attempt) -> None:
    """Run one trial to its end."""
    folder = recorder.folder
    recorder.start(attempt)
    own = str(folder.ray / attempt.trial)
    for row in train(Job(attempt.trial, attempt.config.model_dump(mode="json"), own, str(folder.stages), 1, 1e9)):
        for earlier in row.pop("history", ()):
            recorder.epoch(attempt, earlier)
            queue.report(attempt, earlier, replayed=True)
        recorder.epoch(attempt, row)
        if not queue.report(attempt, row):
            break
    outcome = attempt.outcome()
    recorder.finish(attempt, outcome)
    queue.tell(attempt, outcome)


def found(way: str, repetition: int, arguments: Arguments, scratch: Path) -> Found:
    """Search, and confirm the best of each condition."""
    torch.set_num_threads(1)
    plan = variant(load_plan(arguments.space), way, arguments, repetition)
    recorder = Recorder(plan, ResultsFolder(scratch / f"{way}-{repetition}"))
    recorder.folder.root.mkdir()
    search = Search(plan, recorder.folder.journal, {})
    for attempt in iter(search.ask, None):
        run(search, recorder, attempt)
    searched = list(recorder.records.values())
    samples = sum(record.budget for record in searched) if way == FULL else used(plan, searched)
    best: dict[str, str] = {}
    for chosen in choose(plan, searched):  # a condition's own come before the robust setting
        best.setdefault(chosen.condition, chosen.source.trial)
    confirm, accuracies = Confirm(plan, recorder.records), dict[str, list[float]]()
    for again in iter(confirm.ask, None):
        if again.setting == best[again.condition.id]:
            run(confirm, recorder, again)
            accuracies.setdefault(again.condition.id, []).append(recorder.records[again.trial].oracle_test_acc)
    return Found(way, repetition, samples, {name: float(np.mean(own)) for name, own in accuracies.items()})


def told(all_found: list[Found], arguments: Arguments, plan: Plan) -> str:
    ways = {way: sorted((f for f in all_found if f.way == way), key=lambda f: f.repetition) for way in (FULL, STUDY)}
    lines = [
        f"| | samples of a search | fewer | {' | '.join(c.id for c in plan.conditions)} | mean | over full budget |"
    ]
    lines.append("|:--|--:|--:|" + "--:|" * (len(plan.conditions) + 2))
    means = {way: np.array([np.mean(list(f.accuracies.values())) for f in own]) for way, own in ways.items()}
    full = np.mean([f.samples for f in ways[FULL]])
    for way, own in ways.items():
        samples, above = np.mean([f.samples for f in own]), means[way] - means[FULL]
        half = stats.t.ppf(0.975, len(above) - 1) * stats.sem(above)
        cells = [f"{np.mean([f.accuracies[c.id] for f in own]):.1%}" for c in plan.conditions]
        gap = "" if way == FULL else f"{100 * above.mean():+.1f} ± {100 * half:.1f}"
        lines.append(
            f"| {way} | {samples:,.0f} | {full / samples:.2f} times | {' | '.join(cells)} | {means[way].mean():.1%} | "
            f"{gap} |"
        )
    lines.append(
        f"\n{plan.spec.name}: {plan.spec.budget.trials_per_condition} searched trials in each of "
        f"{len(plan.conditions)} conditions, {arguments.repetitions} repetitions of each search; test accuracy of the "
        f"best settings, each confirmed with {arguments.seeds} fresh seeds. Last column: points of the mean, paired "
        "95 % t interval."
    )
    return "\n".join(lines)


def main(arguments: Arguments) -> None:
    plan = load_plan(arguments.space)
    with TemporaryDirectory() as scratch:
        for stage in shared_stages(plan):  # all searches find them
            compute_stage(stage, ResultsFolder(Path(scratch, "any")).stages)
        processes = ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn"))
        with processes as pool:
            begun = [
                pool.submit(found, way, repetition, arguments, Path(scratch))
                for repetition, way in product(range(arguments.repetitions), (FULL, STUDY))
            ]
            all_found = []
            for number, future in enumerate(as_completed(begun), 1):
                all_found.append(future.result())
                print(f"{number}/{len(begun)} searches: {all_found[-1]}", flush=True)
    content = {"found": [own._asdict() for own in all_found]}
    keep(f"saved_samples-{plan.spec.name}", told(all_found, arguments, plan), content)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
