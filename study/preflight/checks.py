"""Before anything starts: does the study fit, and may it write where it is told."""

import fcntl
import math
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from codim.config.train_config import TrainConfig, completed
from study.errors import SpecError
from study.plan.plan import Plan
from study.preflight.forecast import Forecast, representative
from study.results.folder import ResultsFolder
from study.results.json_schema import SCHEMA_VERSION, VERSION_KEY, Spec, read_json
from study.spec.study_spec import Resources

FREE_TO_CHANGE = (VERSION_KEY, "conditions", "budget", "confirm", "resources", "checkpoint_seconds", "loggers")
"""Parts of a study file that may change between two starts; of the first two, only by adding."""
STEPS = "samples past warm-up"
"""What Optuna's steps are (study/search/pruners.py), for spec.json."""
LIBRARIES = ("numpy", "optuna", "pyarrow", "ray", "scikit-learn", "torch")


TRIAL_GIB, WORKER_GIB = 1.2, 0.4
"""Memory of a trial of several workers beside its training: of the processes that Ray Train starts for it, and of each
worker's libraries. Measured with Ray 2.60 and torch 2.15 (search_spaces/README.md)."""


def threads(plan: Plan) -> int:
    """Of torch, in one worker of a trial."""
    return max(1, math.floor(plan.spec.resources.cpus_per_worker))


def concurrent_trials(wanted: Resources, nodes: Iterable[tuple[float, float]]) -> int:
    """How many trials run at a time on nodes with so many CPUs and GPUs each; a worker never spans two of them. All
    workers of so many trials fit at once: of more, those that wait would hold what the others wait for."""
    workers = 0
    for cpus, gpus in nodes:
        fits = cpus / wanted.cpus_per_worker
        if wanted.gpus_per_worker:
            fits = min(fits, gpus / wanted.gpus_per_worker)
        workers += math.floor(fits)
    total = workers // wanted.workers_per_trial
    return total if wanted.max_concurrent == "auto" else min(total, wanted.max_concurrent)


def require_memory(plan: Plan, concurrent: int, gib: float, where: str) -> None:
    """Raises SpecError where what Ray Train needs for so many trials of several workers is more than there is."""
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
    """Hold a results folder, one driver at a time. Raises SpecError: it cannot be written, or another driver has it."""
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        file = (folder.root / ".lock").open("w")
    except OSError as error:
        raise SpecError(f"--results: {folder.root} cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SpecError(f"--results: another driver is running the study in {folder.root}") from None
        with folder.lease():
            yield


def require_writable(folder: ResultsFolder) -> None:
    """Raises SpecError where `locked` would; writes nothing."""
    existing = next(path for path in (folder.root, *folder.root.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise SpecError(f"--results: {folder.root} cannot be written")


def require_same_study(folder: ResultsFolder, resolved: Mapping[str, Any]) -> None:
    """Refuse a folder of another study, or of this one with changes that would mix what cannot be compared.

    Raises:
        SpecError: names the first part that differs; trials and conditions may be added.
    """
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
    """The first place where two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *new]:
            if old.get(key) != new.get(key):
                return _difference(f"{path} -> {key}", old.get(key), new.get(key))
    return path, old, new


def resolved_spec(plan: Plan) -> dict[str, Any]:
    """spec.json: the study file with every default written out."""
    config, first = representative(plan), plan.conditions[0]
    searched = plan.corner(first, 0)
    baselines = {name: plan.baseline_config(first, name, 0) for name in plan.spec.baselines}
    pruner = plan.spec.pruner.model_dump(mode="json")
    if plan.spec.pruner.kind != "none":  # curves with other steps must not compete
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
    """environment.json: where and when the study runs. `old`: that of an earlier start, whose beginning stands."""
    import torch  # slow, as Optuna is, and all that comes before in this module needs neither

    from study.plan.rungs import rungs_of

    data, known = plan.data[plan.conditions[0].id], old.get("forecast", {})
    return {
        VERSION_KEY: SCHEMA_VERSION,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "started": old.get("started", datetime.now(UTC).isoformat(timespec="seconds")),
        "command": sys.argv,
        "forecast": known if known.get("trials") == expected.trials else expected._asdict(),
        "validation_images": data.validation_images,
        "training_images": data.training_images,
        "classes": data.classes,
        "rungs": {condition.id: rungs_of(plan, condition) for condition in plan.conditions},
    }
