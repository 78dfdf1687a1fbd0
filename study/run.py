"""Run a hyper-parameter study over several noise conditions: python study/run.py --space search_spaces/digits.yaml

The same command goes on where an earlier one was stopped, and widens a study whose file now asks for more trials or
conditions. Exit status: 0 done; 1 every trial failed; 2 the study file, the results folder or the cluster is not as it
must be, and nothing was started; 130 interrupted.
"""

import os
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # called as a script: Python then puts study/ on the path, not the folder above it
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import ray
import torch
import tyro

from study.cluster import ClusterError, connected, node_resources, require_shared
from study.driver import compute_stages, concurrent_trials, run_study, threads
from study.plan import Plan, load_plan
from study.preflight import (
    Forecast,
    environment,
    forecast,
    locked,
    measure_speed,
    representative,
    require_same_study,
    require_writable,
    resolved_spec,
)
from study.progress import Progress, clock
from study.records import ResultsFolder, read_json, write_json
from study.stages import shared_stages


@dataclass(frozen=True)
class Arguments:
    """Run a hyper-parameter study over several noise conditions, or go on where an earlier run of it was stopped."""

    space: Path
    """Study file, e.g. search_spaces/digits.yaml; search_spaces/README.md has its words."""
    results: Path = Path("results")
    """Folder that receives <name of the study>/."""
    address: str | None = None
    """Ray cluster: auto or host:port. Left out: a Ray of its own on this machine."""
    dry_run: bool = False
    """Show the plan and what it costs; start and write nothing."""


def main(arguments: Arguments) -> int:
    """Run the study; returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return _run(arguments)
    except (ValueError, ClusterError, ray.exceptions.RayError) as error:  # ValueError: SpecError, or the data's own
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _interrupted()


def _run(arguments: Arguments) -> int:
    plan = load_plan(arguments.space)
    folder = ResultsFolder(arguments.results.resolve() / plan.spec.name)
    resolved = resolved_spec(plan)
    require_writable(folder)
    require_same_study(folder, resolved)
    cpus, gpus = local_resources()
    started = time.monotonic()
    progress = Progress(plan)
    with ExitStack() as stack:
        if arguments.address is None:
            concurrent = _concurrent(plan, [(cpus, gpus)], "this machine")
            speed = measure_speed(representative(plan), threads(plan))
            if not arguments.dry_run:
                stack.enter_context(locked(folder))
                progress.say(f"Ray dashboard: {stack.enter_context(connected(None, cpus, gpus))}")
        else:
            stack.enter_context(connected(arguments.address, 0, 0))
            concurrent = _concurrent(plan, node_resources(), "the cluster")
            need = plan.spec.resources
            task = ray.remote(num_cpus=need.cpus_per_trial, num_gpus=need.gpus_per_trial)(measure_speed)
            speed = ray.get(task.remote(representative(plan), threads(plan)))
            if not arguments.dry_run:
                stack.enter_context(locked(folder))
                require_shared(folder.root)
        expected = forecast(plan, speed, concurrent)
        progress.say(describe(plan, expected))
        if arguments.dry_run:
            return 0
        write_json(folder.spec, resolved)
        write_json(folder.environment, environment(plan, expected, read_json(folder.environment)))
        compute_stages(plan, folder, progress.say)
        finished = run_study(plan, folder, progress)
    if not finished:
        return _interrupted()
    count = Counter(record.status for record in folder.read_trials())
    progress.say(
        f"{count.total()} trials, {count['pruned']} pruned, {count['failed']} failed, "
        f"{clock(time.monotonic() - started)}: {folder.root}"
    )
    return 0 if count["complete"] or count["pruned"] else 1


def local_resources() -> tuple[int, int]:
    """CPUs that this process may use, and GPUs."""
    return len(os.sched_getaffinity(0)), torch.cuda.device_count()


def _concurrent(plan: Plan, nodes: list[tuple[float, float]], where: str) -> int:
    concurrent = concurrent_trials(plan, nodes)
    if not concurrent:
        need = plan.spec.resources
        raise ClusterError(
            f"resources: a trial asks for {need.cpus_per_trial:g} CPUs and {need.gpus_per_trial:g} GPUs, "
            f"{where} has {' and '.join(f'{c:g} CPUs with {g:g} GPUs' for c, g in nodes)}: no trial could ever start"
        )
    return concurrent


def describe(plan: Plan, expected: Forecast) -> str:
    """The plan in a few lines."""
    spec = plan.spec
    data = plan.data[plan.conditions[0].id]
    lines = [
        f"study {spec.name}: {plan.trials} trials = {len(plan.conditions)} conditions x "
        f"({len(spec.baselines)} baselines + {spec.budget.trials_per_condition} searched)",
        f"data: {data.training_images} training and {data.validation_images} validation images, {data.classes} classes",
        "conditions: " + ", ".join(f"{c.id} (realised {plan.data[c.id].noise_rate:.3f})" for c in plan.conditions),
        f"baselines: {', '.join(spec.baselines) or 'none'}",
        *(f"space: {path}: {dimension.in_words()}" for path, dimension in spec.space.items()),
        f"shared pre-training: {len(shared_stages(plan))}, computed once",
        f"forecast: at most {clock(expected.hours * 3600)} with {expected.concurrent} trials at a time "
        "(from a few steps and test images timed on a part of the data; nothing pruned)",
    ]
    return "\n".join(lines)


def _interrupted() -> int:
    print("interrupted; the same command goes on from here", file=sys.stderr)
    return 130


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments)))
