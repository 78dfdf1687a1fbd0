"""A study from its file to its end: checks, plan and forecast are printed, then all trials run."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codim.config.auto import autos, put
from codim.config.budget import Speed
from codim.runtime.announce import announced, relayed
from codim.runtime.progress_bar import clock
from study.errors import SpecError
from study.monitor.console import Progress
from study.monitor.loggers import require_installed
from study.plan.plan import Plan, full_plan, outline
from study.plan.shared_stages import shared_stages
from study.preflight.checks import (
    concurrent_trials,
    environment,
    locked,
    require_memory,
    require_same_study,
    require_writable,
    resolved_spec,
    threads,
)
from study.preflight.forecast import (
    TIMING,
    Forecast,
    Usage,
    compare,
    describe_forecast,
    forecast,
    remaining,
    representative,
    require_disk,
    used,
)
from study.results.folder import ResultsFolder, write_json
from study.results.json_schema import Environment, Phase, Spec, read_json
from study.results.object_storage import is_remote
from study.spec.study_spec import StudySpec, load_study
from study.spec.yaml_file import Source

if TYPE_CHECKING:
    from study.ray_cluster.nodes import Node

NO_GPUS = "--set resources/gpus_per_trial=0"


def start(
    space: Path,
    results: str | Path,
    address: str | None,
    dry_run: bool,
    phase: Phase | None = None,
    changes: Sequence[str] = (),
) -> bool | None:
    """Start a study, or resume it. For the arguments see `study.run`.

    Torch and Ray are imported only where they are used: the plan need not wait for them, nor a dry run for Ray.

    Returns:
        Whether a trial came to its end; None: the study was interrupted.
    Raises:
        SpecError, ClusterError, ValueError: nothing was started.
    """
    spec, source = _read(space, changes, phase)
    plan = outline(spec, source)
    folder = results_folder(results, spec.name)
    if (begun := _as_begun(spec, folder)) != spec:
        plan = outline(begun, source)
    resolved = resolved_spec(plan)
    require_writable(folder)
    require_same_study(folder, resolved)
    progress = Progress(plan)
    progress.say(describe(plan))
    started = time.monotonic()
    with ExitStack() as stack:
        place = _this_machine() if address is None else stack.enter_context(_cluster(address, spec, progress.say))
        plan, concurrent = _planned(plan, source, place, progress)
        speed = (_begun_here if address is None else _begun_there)(stack, plan, place, folder, dry_run, progress.say)
        paid = len(place.nodes)
        _tell_forecast(plan, folder, forecast(plan, speed, concurrent, paid, phase), progress.say)
        if dry_run:
            return True
        require_same_study(folder, resolved)  # another driver may have begun it since
        write_json(folder.spec, resolved)
        from study.monitor.summary import closing  # not at the end: the code may be another one by then

        finished, hours = _run(plan, folder, progress, phase, forecast(plan, speed, concurrent, paid))
    if not finished:
        return None
    for line in closing(plan, folder):
        progress.say(line)
    return _summed_up(plan, folder, hours, started, progress.say)


def _read(space: Path, changes: Sequence[str], phase: Phase | None) -> tuple[StudySpec, Source]:
    spec, source = load_study(space, changes)
    if phase == "confirm" and not spec.confirm.seeds:
        raise source.error(
            ("confirm", "seeds"), "confirm -> seeds: 0 confirms nothing; allowed for --phase confirm: 1 or more"
        )
    require_installed(spec.loggers)
    return spec, source


def _as_begun(spec: StudySpec, folder: ResultsFolder) -> StudySpec:
    """Return the spec with the values that each `auto` had when the study began, whatever images were added since."""
    try:
        fixed, begun = spec.fixed, read_json(folder.spec, Spec).get("fixed", {})
        for path in autos(fixed):
            section, _, name = path.partition("/")
            if name in begun.get(section, {}):
                fixed = put(fixed, path, begun[section][name])
    except ValueError:  # told where the file, or the folder, is checked
        return spec
    return spec.model_copy(update={"fixed": fixed})


def _planned(plan: Plan, source: Source, place: "Place", progress: Progress) -> tuple[Plan, int]:
    """Read the data; returns the full plan, for the resources at hand, and how many trials run at a time."""
    gpus = sum(gpus for _, gpus in place.nodes)
    spec = plan.spec.model_copy(update={"resources": plan.spec.resources.where(gpus)})
    concurrent = _concurrent(replace(plan, spec=spec), place)
    progress.say(place.described(spec, concurrent))
    if spec.resources.gpus_per_trial != plan.spec.resources.gpus_per_trial and not spec.resources.gpus:
        progress.say("no GPU was found: trials train on CPUs, and the forecast is for CPUs")
    with announced(progress.say, "reading the data"), relayed(progress.say):
        plan = progress.plan = full_plan(spec, source)
    progress.say(describe_data(plan))
    require_memory(plan, concurrent, place.gib, place.name)
    return plan, concurrent


def _begun_here(
    stack: ExitStack, plan: Plan, place: "Place", folder: ResultsFolder, dry_run: bool, say: Callable[[str], None]
) -> Speed:
    """Measure the speed of this machine and, unless in a dry run, lock the folder and start Ray in `stack`."""
    from study.preflight.speed import measure_speed

    with announced(say, TIMING):
        speed = measure_speed(representative(plan), threads(plan))
    if not dry_run:
        from study.ray_cluster.connection import connected, require_dashboard

        stack.enter_context(locked(folder))
        ((cpus, gpus),) = place.nodes
        with announced(say, "starting Ray"):
            dashboard = stack.enter_context(connected(None, int(cpus), int(gpus)))
        say(f"Ray dashboard: {dashboard}")
        require_dashboard(plan.spec.resources)
    return speed


def _begun_there(
    stack: ExitStack, plan: Plan, place: "Place", folder: ResultsFolder, dry_run: bool, say: Callable[[str], None]
) -> Speed:
    """Measure the speed of the cluster and, unless in a dry run, lock the folder in `stack`."""
    from study.ray_cluster.nodes import measured_speed, require_able

    if not dry_run:
        stack.enter_context(locked(folder))
    require_able(plan, place.found, folder.at(), dry_run, say)
    return measured_speed(plan, place.found, say)


def _tell_forecast(plan: Plan, folder: ResultsFolder, expected: Forecast, say: Callable[[str], None]) -> None:
    say(describe_forecast(expected))
    if known := folder.read_trials():
        say(remaining(plan, expected, known))
    say(require_disk(folder, expected))


def _run(
    plan: Plan, folder: ResultsFolder, progress: Progress, phase: Phase | None, whole: Forecast
) -> tuple[bool, float]:
    """Run all trials; returns whether they were not interrupted, and the hours of all starts."""
    from study.driver.run_study import compute_stages, run_study

    usage = Usage(folder)
    old = read_json(folder.environment, Environment)
    write_json(folder.environment, environment(plan, whole, old) | {"starts": usage.starts})
    try:
        try:
            compute_stages(plan, folder, progress.say)
            finished = run_study(plan, folder, progress, phase=phase)
        finally:
            hours = usage.end()
            folder.keep(now=True)
    except OSError as error:
        raise OSError(f"{error}; finished work is kept; run the same command to resume") from error
    return finished, hours


def _summed_up(plan: Plan, folder: ResultsFolder, hours: float, started: float, say: Callable[[str], None]) -> bool:
    """Print usage against the forecast, and counts; return whether any trial came to its end."""
    records = folder.read_trials()
    say(compare(read_json(folder.environment, Environment)["forecast"], len(records), used(plan, records), hours))
    count = Counter(record.status for record in records)
    say(
        f"{count.total()} trials, {count['pruned']} pruned, {count['failed']} failed, "
        f"{clock(time.monotonic() - started)}: {folder.at()}"
    )
    return bool(count["complete"] or count["pruned"])


def results_folder(results: str | Path, name: str) -> ResultsFolder:
    """Results folder of a study, local or remote. Raises SpecError if object storage cannot be used."""
    if not is_remote(results):
        return ResultsFolder(Path(results).resolve() / name)
    from study.results.remote import RemoteResults

    folder = RemoteResults(str(results), name)
    folder.fetch()
    return folder


@dataclass(frozen=True)
class Place:
    """Machine or cluster on which the trials will run."""

    name: str
    nodes: list[tuple[float, float]]
    """CPUs and GPUs per node."""
    gib: float
    """Memory of all nodes together, in GiB."""
    found: "Sequence[Node]" = ()
    """Nodes of a cluster; empty for this machine alone."""

    def described(self, spec: StudySpec, concurrent: int) -> str:
        """Its resources, and how many trials fit at a time."""
        if self.found:
            from study.ray_cluster.nodes import describe_nodes

            return describe_nodes(spec.resources, self.found)
        ((cpus, gpus),) = self.nodes
        return f"{self.name}: {cpus:g} CPUs, {gpus:g} GPUs: {concurrent} trials at a time"


def _this_machine() -> Place:
    return Place("this machine", [local_resources()], local_memory())


@contextmanager
def _cluster(address: str, spec: StudySpec, say: Callable[[str], None]) -> Iterator[Place]:
    """Connect to the cluster at `address`. Raises ClusterError if there is none, it refuses the connection, or it lacks
    resources that the study needs."""
    with ExitStack() as stack:
        with announced(say, f"connecting to the Ray cluster, --address {address}"):
            from study.ray_cluster.connection import connected, require_dashboard
            from study.ray_cluster.nodes import nodes

            dashboard = stack.enter_context(connected(address, 0, 0))
        say(f"Ray dashboard: {dashboard}")
        require_dashboard(spec.resources)
        found = nodes()
        yield Place("the cluster", [(node.cpus, node.gpus) for node in found], sum(n.gib for n in found), found)


def local_resources() -> tuple[int, int]:
    """Number of CPUs that this process may use, and of GPUs."""
    import torch

    return len(os.sched_getaffinity(0)), torch.cuda.device_count()


def local_memory() -> float:
    """Memory of this machine, in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _concurrent(plan: Plan, place: Place) -> int:
    need = plan.spec.resources
    concurrent = concurrent_trials(need, place.nodes)
    if not concurrent:
        workers = f" for {need.workers_per_trial} workers" if need.workers_per_trial > 1 else ""
        way_on = f"; to train on CPUs: {NO_GPUS}, and --dry-run forecasts how long" if need.gpus else ""
        raise SpecError(
            f"resources: a trial asks for {need.cpus_per_trial:g} CPUs and {need.gpus:g} GPUs{workers}, {place.name} "
            f"has {' and '.join(f'{c:g} CPUs with {g:g} GPUs' for c, g in place.nodes)}: no trial could ever start"
            f"{way_on}"
        )
    return concurrent


def describe(plan: Plan) -> str:
    """Summary of the study file, in a few lines."""
    spec, stages = plan.spec, Counter(stage.kind for stage in shared_stages(plan))
    lines = [
        f"study {spec.name}: {plan.trials} trials = {len(plan.conditions)} conditions x "
        f"({len(spec.baselines)} baselines + {spec.budget.trials_per_condition} searched)",
        *([_describe_confirm(plan)] if spec.confirm.seeds else []),
        f"budget: {representative(plan).train.samples} samples per searched trial",
        f"conditions: {', '.join(c.id for c in plan.conditions)}",
        f"baselines: {', '.join(spec.baselines) or 'none'}",
        *(f"space: {path}: {dimension.in_words()}" for path, dimension in spec.space.items()),
        *(f"shared {kind}: {count}, each computed once" for kind, count in stages.items()),
    ]
    return "\n".join(lines)


def _describe_confirm(plan: Plan) -> str:
    confirm, baselines = plan.spec.confirm, len(plan.spec.baselines)
    robust = " + 1 robust" if len(plan.conditions) > 1 else ""
    most = plan.confirmations // confirm.seeds * confirm.most
    further = f" ({most} with up to {confirm.most} where these vary)" if confirm.most > confirm.seeds else ""
    return (
        f"confirmation: at most {plan.confirmations} trainings = {len(plan.conditions)} conditions x ({baselines} "
        f"baselines + {confirm.top_k} best{robust}) x {confirm.seeds} seeds{further}, on the training and validation "
        "parts"
    )


def describe_data(plan: Plan) -> str:
    """Summary of the data and of the realised noise rates."""
    data = plan.data[plan.conditions[0].id]
    return (
        f"data: {data.training_images} training and {data.validation_images} validation images, {data.classes} classes"
        f"\nrealised noise: {', '.join(f'{c.id} {plan.data[c.id].noise_rate:.3f}' for c in plan.conditions)}"
    )
