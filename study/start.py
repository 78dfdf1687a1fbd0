"""A study from its file to its end: what is checked and told before it, then all its trials."""

import os
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import torch

from study.plan import Plan, load_plan
from study.preflight import (
    Forecast,
    concurrent_trials,
    environment,
    forecast,
    locked,
    measure_speed,
    representative,
    require_same_study,
    require_writable,
    resolved_spec,
    threads,
)
from study.progress import Progress, clock
from study.records import ResultsFolder, read_json, write_json
from study.source import SpecError
from study.stages import shared_stages


def start(space: Path, results: Path, address: str | None, dry_run: bool) -> bool | None:
    """Begin a study, or go on with it. For the arguments see `study.run`.

    Ray is imported only where it is used: a dry run need not wait for it.

    Returns:
        Whether a trial came to its end; None: the study was interrupted.
    Raises:
        SpecError, ClusterError, ValueError: nothing was started.
    """
    plan = load_plan(space)
    folder = ResultsFolder(results.resolve() / plan.spec.name)
    resolved = resolved_spec(plan)
    require_writable(folder)
    require_same_study(folder, resolved)
    cpus, gpus = local_resources()
    started = time.monotonic()
    progress = Progress(plan)
    with ExitStack() as stack:
        if address is None:
            concurrent = _concurrent(plan, [(cpus, gpus)], "this machine")
            speed = measure_speed(representative(plan), threads(plan))
            if not dry_run:
                from study.cluster import connected

                stack.enter_context(locked(folder))
                progress.say(f"Ray dashboard: {stack.enter_context(connected(None, cpus, gpus))}")
        else:
            import ray

            from study.cluster import connected, node_resources, require_shared

            stack.enter_context(connected(address, 0, 0))
            concurrent = _concurrent(plan, node_resources(), "the cluster")
            need = plan.spec.resources
            task = ray.remote(num_cpus=need.cpus_per_trial, num_gpus=need.gpus_per_trial)(measure_speed)
            speed = ray.get(task.remote(representative(plan), threads(plan)))
            if not dry_run:
                stack.enter_context(locked(folder))
                require_shared(folder.root)
        expected = forecast(plan, speed, concurrent)
        progress.say(describe(plan, expected))
        if dry_run:
            return True
        from study.driver import compute_stages, run_study

        write_json(folder.spec, resolved)
        write_json(folder.environment, environment(plan, expected, read_json(folder.environment)))
        compute_stages(plan, folder, progress.say)
        finished = run_study(plan, folder, progress)
    if not finished:
        return None
    count = Counter(record.status for record in folder.read_trials())
    progress.say(
        f"{count.total()} trials, {count['pruned']} pruned, {count['failed']} failed, "
        f"{clock(time.monotonic() - started)}: {folder.root}"
    )
    return bool(count["complete"] or count["pruned"])


def local_resources() -> tuple[int, int]:
    """CPUs that this process may use, and GPUs."""
    return len(os.sched_getaffinity(0)), torch.cuda.device_count()


def _concurrent(plan: Plan, nodes: list[tuple[float, float]], where: str) -> int:
    concurrent = concurrent_trials(plan, nodes)
    if not concurrent:
        need = plan.spec.resources
        raise SpecError(
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
