"""A study from its file to its end: what is checked and told before it, then all its trials."""

import os
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from study.plan import Plan, full_plan, outline
from study.preflight import (
    Forecast,
    concurrent_trials,
    environment,
    forecast,
    locked,
    representative,
    require_same_study,
    require_writable,
    resolved_spec,
    threads,
)
from study.progress import Progress, clock
from study.records import ResultsFolder, read_json, write_json
from study.source import SpecError
from study.spec import load_study
from study.stage_keys import shared_stages


def start(space: Path, results: Path, address: str | None, dry_run: bool) -> bool | None:
    """Begin a study, or go on with it. For the arguments see `study.run`.

    Torch and Ray are imported only where they are used: the plan need not wait for them, nor a dry run for Ray.

    Returns:
        Whether a trial came to its end; None: the study was interrupted.
    Raises:
        SpecError, ClusterError, ValueError: nothing was started.
    """
    spec, source = load_study(space)
    plan = outline(spec, source)
    folder = ResultsFolder(results.resolve() / spec.name)
    resolved = resolved_spec(plan)
    require_writable(folder)
    require_same_study(folder, resolved)
    progress = Progress(plan)
    progress.say(describe(plan))
    plan = full_plan(spec, source)
    progress.say(describe_data(plan))

    from study.speed import measure_speed

    cpus, gpus = local_resources()
    started = time.monotonic()
    with ExitStack() as stack:
        if address is None:
            concurrent = _concurrent(plan, [(cpus, gpus)], "this machine")
            speed = measure_speed(representative(plan), threads(plan))
            if not dry_run:
                from study.cluster import connected, require_dashboard

                stack.enter_context(locked(folder))
                progress.say(f"Ray dashboard: {stack.enter_context(connected(None, cpus, gpus))}")
                require_dashboard(plan.spec.resources)
        else:
            import ray

            from study.cluster import connected, node_resources, require_dashboard, require_shared

            stack.enter_context(connected(address, 0, 0))
            require_dashboard(plan.spec.resources)
            concurrent = _concurrent(plan, node_resources(), "the cluster")
            need = plan.spec.resources
            task = ray.remote(num_cpus=need.cpus_per_worker, num_gpus=need.gpus_per_worker)(measure_speed)
            speed = ray.get(task.remote(representative(plan), threads(plan)))
            if not dry_run:
                stack.enter_context(locked(folder))
                require_shared(folder.root)
        expected = forecast(plan, speed, concurrent)
        progress.say(describe_forecast(expected))
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
    import torch

    return len(os.sched_getaffinity(0)), torch.cuda.device_count()


def _concurrent(plan: Plan, nodes: list[tuple[float, float]], where: str) -> int:
    concurrent = concurrent_trials(plan, nodes)
    if not concurrent:
        need = plan.spec.resources
        workers = f" for {need.workers_per_trial} workers" if need.workers_per_trial > 1 else ""
        raise SpecError(
            f"resources: a trial asks for {need.cpus_per_trial:g} CPUs and {need.gpus_per_trial:g} GPUs{workers}, "
            f"{where} has {' and '.join(f'{c:g} CPUs with {g:g} GPUs' for c, g in nodes)}: no trial could ever start"
        )
    return concurrent


def describe(plan: Plan) -> str:
    """What the study file says, in a few lines."""
    spec = plan.spec
    lines = [
        f"study {spec.name}: {plan.trials} trials = {len(plan.conditions)} conditions x "
        f"({len(spec.baselines)} baselines + {spec.budget.trials_per_condition} searched)",
        f"budget: {representative(plan).train.samples} samples a searched trial",
        f"conditions: {', '.join(c.id for c in plan.conditions)}",
        f"baselines: {', '.join(spec.baselines) or 'none'}",
        *(f"space: {path}: {dimension.in_words()}" for path, dimension in spec.space.items()),
        f"shared pre-training: {len(shared_stages(plan))}, computed once",
    ]
    return "\n".join(lines)


def describe_data(plan: Plan) -> str:
    """What the data say."""
    data = plan.data[plan.conditions[0].id]
    return (
        f"data: {data.training_images} training and {data.validation_images} validation images, {data.classes} classes"
        f"\nrealised noise: {', '.join(f'{c.id} {plan.data[c.id].noise_rate:.3f}' for c in plan.conditions)}"
    )


def describe_forecast(expected: Forecast) -> str:
    return (
        f"forecast: at most {clock(expected.hours * 3600)} with {expected.concurrent} trials at a time "
        "(from a few steps and test images timed on a part of the data; nothing pruned)"
    )
