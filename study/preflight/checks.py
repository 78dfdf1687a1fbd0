"""Checks before anything starts: whether the study fits the machine or cluster, and its results folder.

Order of calls by the driver: `require_writable`, and `require_same_study` with `resolved_spec`, before any data are
read; `concurrent_trials` for the nodes at hand; `require_memory` with the full plan; and, except in a dry run, `locked`
until the study ends, `require_same_study` again, and `environment` for environment.json.
"""

import math
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from codim.config.train_config import TrainConfig, completed
from codim.runtime.atomic_file import held
from codim.version import DISTRIBUTION, __version__
from study.errors import SpecError
from study.plan.plan import Plan
from study.preflight.forecast import Forecast, representative
from study.results.folder import ResultsFolder
from study.results.json_schema import SCHEMA_VERSION, VERSION_KEY, Spec, read_json
from study.spec.sections import Resources

FREE_TO_CHANGE = (
    VERSION_KEY,
    "conditions",
    "budget",
    "stop_when",
    "confirm",
    "resources",
    "checkpoint_seconds",
    "examples",
    "loggers",
)
"""Parts of spec.json that may change between two starts; conditions and trials may only be added."""
STEPS = "samples past warm-up"
"""Unit of Optuna's steps (study/search/pruners.py), as recorded in spec.json."""
LIBRARIES = ("numpy", "optuna", "pyarrow", "ray", "scikit-learn", "torch")

TRIAL_GIB, WORKER_GIB = 1.2, 0.4
"""Memory overhead of a trial of several workers: of the processes that Ray Train starts per trial, and of the libraries
per worker. Measured with Ray 2.60 and torch 2.15 (search_spaces/README.md)."""


def threads(plan: Plan) -> int:
    """Return the number of torch threads in one worker of a trial."""
    return max(1, math.floor(plan.spec.resources.cpus_per_worker))


def concurrent_trials(wanted: Resources, nodes: Iterable[tuple[float, float]]) -> int:
    """Return how many trials run at a time on `nodes`, given as (CPUs, GPUs) each. A worker never spans two nodes, and
    the workers of all these trials fit at once: with more trials, partly started ones would block each other."""
    workers = 0
    for cpus, gpus in nodes:
        fits = cpus / wanted.cpus_per_worker
        if wanted.gpus_per_worker:
            fits = min(fits, gpus / wanted.gpus_per_worker)
        workers += math.floor(fits)
    total = workers // wanted.workers_per_trial
    return total if wanted.max_concurrent == "auto" else min(total, wanted.max_concurrent)


def require_memory(plan: Plan, concurrent: int, gib: float, where: str) -> None:
    """Raise SpecError if Ray Train's processes for `concurrent` trials of several workers need more than `gib` GiB."""
    workers = plan.spec.resources.workers_per_trial
    needed = concurrent * (TRIAL_GIB + WORKER_GIB * workers)
    if workers > 1 and needed > gib:
        raise SpecError(
            f"resources: {concurrent} trials of {workers} workers at a time take {needed:.1f} GiB of memory for their "
            f"processes alone, {where} has {gib:.1f} GiB; give a lower resources -> max_concurrent, or trials of one "
            "worker"
        )


@contextmanager
def locked(folder: ResultsFolder) -> Iterator[None]:
    """Lock a results folder for this driver. Raises SpecError if it cannot be written, or another driver holds it."""

    def busy() -> None:
        raise SpecError(f"--results: another driver is running the study in {folder.root}") from None

    with ExitStack() as stack:
        try:
            stack.enter_context(held(folder.root / ".lock", busy))
        except OSError as error:
            raise SpecError(f"--results: {folder.root} cannot be written: {error.strerror}") from None
        stack.enter_context(folder.lease())
        yield


def require_writable(folder: ResultsFolder) -> None:
    """Raise SpecError if the results folder cannot be written, as `locked` would, but write nothing."""
    existing = next(path for path in (folder.root, *folder.root.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise SpecError(f"--results: {folder.root} cannot be written")


def require_same_study(folder: ResultsFolder, resolved: Mapping[str, Any]) -> None:
    """Refuse a folder of another study, or of this one with changes that would mix trials that cannot be compared.
    Trials and conditions may be added. Raises SpecError: names the first part that differs."""
    if not folder.spec.exists():
        if folder.root.exists() and any(path.name != ".lock" for path in folder.root.iterdir()):
            raise SpecError(f"--results: {folder.root} holds files but no spec.json: not the folder of a study")
        return
    try:
        old = read_json(folder.spec, Spec)
    except ValueError as error:
        raise SpecError(f"--results: {error}, or give another --results") from None
    old["config"] = completed(old.get("config", {}))
    old["baseline_configs"] = {name: completed(own) for name, own in old.get("baseline_configs", {}).items()}
    if "objective" in old:
        old["objective"] = {"consensus": False, **old["objective"]}
    if old.get("sampler", {}).get("transfer") is False:  # an entry of earlier versions, at its default
        del old["sampler"]["transfer"]
    advice = "give the changed study another `name`, or another --results"
    for part in resolved:
        if part not in FREE_TO_CHANGE and old.get(part) != resolved[part]:
            path, was, now = _difference(part, old.get(part), resolved[part])
            raise SpecError(f"{folder.root} holds a study with {path} = {was!r}, now it is {now!r}; {advice}")
    known = {condition["id"]: condition for condition in resolved["conditions"]}
    for condition in old["conditions"]:
        if known.get(condition["id"]) != condition:
            raise SpecError(
                f"{folder.root} holds condition {condition}, which is now {known.get(condition['id'])}; {advice}"
            )
    was, now = (spec.get("budget", {}).get("trials_per_condition", 0) for spec in (old, resolved))
    if now < was:
        raise SpecError(f"{folder.root} holds a study of {was} trials per condition, now it is {now}; it may only grow")


def _difference(path: str, old: Any, new: Any) -> tuple[str, Any, Any]:
    """Return (path, old value, new value) of the first difference between two JSON values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *new]:
            if old.get(key) != new.get(key):
                return _difference(f"{path} -> {key}", old.get(key), new.get(key))
    return path, old, new


def resolved_spec(plan: Plan) -> dict[str, Any]:
    """Return the content of spec.json: the study file with every default written out."""
    config, first = representative(plan), plan.conditions[0]
    searched = plan.corner(first, 0)
    baselines = {name: plan.baseline_config(first, name, 0) for name in plan.spec.baselines}
    pruner = plan.spec.pruner.model_dump(mode="json")
    if plan.spec.pruner.kind != "none":  # curves in other units must not be compared
        pruner["steps"] = STEPS
    return (
        {VERSION_KEY: SCHEMA_VERSION}
        | plan.spec.model_dump(mode="json")
        | {
            "pruner": pruner,
            "data": config.data.name,
            # Defaults may change with the code; trials before and after must not be compared.
            "config": _without_noise(searched),
            "baseline_configs": {name: _without_noise(own) for name, own in baselines.items()},
            "conditions": [condition.as_json() for condition in plan.conditions],
            "budget": {"trials_per_condition": plan.spec.budget.trials_per_condition, "samples": config.train.samples},
        }
    )


def _without_noise(config: TrainConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"noise"})


def environment(plan: Plan, expected: Forecast, old: Mapping[str, Any]) -> dict[str, Any]:
    """Return environment.json: where and when the study runs. `old`: that of an earlier start, whose date is kept."""
    import torch  # slow, as is Optuna; the rest of this module needs neither

    from study.plan.rungs import rungs_of

    data, known = plan.data[plan.conditions[0].id], old.get("forecast", {})
    return {
        VERSION_KEY: SCHEMA_VERSION,
        "versions": {DISTRIBUTION: __version__, "python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "started": old.get("started", datetime.now(UTC).isoformat(timespec="seconds")),
        "command": sys.argv,
        "forecast": known if known.get("trials") == expected.trials else expected._asdict(),
        "validation_images": data.validation_images,
        "training_images": data.training_images,
        "classes": data.classes,
        "trusted": data.trusted,
        "rungs": {condition.id: rungs_of(plan, condition) for condition in plan.conditions},
    }
