"""Before anything starts: does the study fit, may it write where it is told, what will it cost."""

import fcntl
import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple, get_args

from codim.budget import milestones
from codim.config import TrainConfig
from study.conditions import ConditionData
from study.plan import Plan
from study.records import Phase, ResultsFolder
from study.source import SpecError
from study.stage_keys import Kind, pretraining, shared_stages, warm_up

FREE_TO_CHANGE = ("conditions", "budget", "confirm", "resources", "checkpoint_seconds")
"""Parts of a study file that may change between two starts; of the first two, only by adding."""
LIBRARIES = ("numpy", "optuna", "pyarrow", "ray", "scikit-learn", "torch")


class Speed(NamedTuple):
    """Seconds per sample of a stage, its share of the evaluation and of the observer's passes included."""

    pretrain: float
    warmup: float
    cotrain: float


class Forecast(NamedTuple):
    """What the whole study takes if nothing is pruned."""

    trials: int
    hours: float
    """Wall time with `concurrent` trials at a time."""
    concurrent: int


def threads(plan: Plan) -> int:
    """Of torch, in one trial."""
    return max(1, math.floor(plan.spec.resources.cpus_per_trial))


def concurrent_trials(plan: Plan, nodes: Iterable[tuple[float, float]]) -> int:
    """How many trials run at a time on nodes with so many CPUs and GPUs each; a trial never spans two of them."""
    wanted, total = plan.spec.resources, 0
    for cpus, gpus in nodes:
        fits = cpus / wanted.cpus_per_trial
        if wanted.gpus_per_trial:
            fits = min(fits, gpus / wanted.gpus_per_trial)
        total += math.floor(fits)
    return total if wanted.max_concurrent == "auto" else min(total, wanted.max_concurrent)


def representative(plan: Plan) -> TrainConfig:
    """A searched trial, at the upper end of every range."""
    values = {path: dimension.corners()[-1] for path, dimension in plan.spec.space.items()}
    return plan.searched_config(plan.conditions[0], values, 0)


def forecast(plan: Plan, speed: Speed, concurrent: int, phase: Phase | None = None) -> Forecast:
    """From the measured speed to hours. `phase`: the only one to run; both by default."""
    condition = plan.conditions[0]
    data = plan.data[condition.id]
    shared = shared_stages(plan)
    searched, baselines = representative(plan), [plan.baseline_config(condition, b, 0) for b in plan.spec.baselines]
    per_condition, trials = 0.0, 0
    if phase != "confirm":
        configs = [*baselines, *[searched] * plan.spec.budget.trials_per_condition]
        keys = {stage.key for stage in shared}
        per_condition += sum(_trial_seconds(config, data, speed, keys) for config in configs)
        trials += len(configs)
    if phase != "search":
        configs = [*baselines, *[searched] * (plan.confirmed_settings - len(baselines))] * plan.spec.confirm.seeds
        # Fresh noise and all images: longer epochs, and of the stages only pre-training is shared.
        whole = replace(data, training_images=data.images) if searched.data.validation == "split" else data
        keys = {stage.key for stage in shared if stage.kind == "pre-training"}
        per_condition += sum(_trial_seconds(config, whole, speed, keys) for config in configs)
        trials += len(configs)
    seconds = len(plan.conditions) * per_condition / concurrent
    for kind in get_args(Kind):
        own = [_stage_seconds(stage.config, kind, data, speed) for stage in shared if stage.kind == kind]
        seconds += sum(own) / min(concurrent, len(own)) if own else 0
    return Forecast(len(plan.conditions) * trials, seconds / 3600, concurrent)


def _trial_seconds(config: TrainConfig, data: ConditionData, speed: Speed, shared: Set[str]) -> float:
    marks = milestones(config, data.images, data.training_images)
    warm = (marks.warmup if config.train.co_training else config.train.samples) - marks.pretrain
    seconds = (config.train.samples - marks.pretrain - warm) * speed.cotrain
    first, second = pretraining(config), warm_up(config)
    if second and second.key in shared:
        return seconds
    if first and first.key not in shared:
        seconds += _stage_seconds(config, "pre-training", data, speed)
    return seconds + warm * speed.warmup


def _stage_seconds(config: TrainConfig, kind: Kind, data: ConditionData, speed: Speed) -> float:
    marks = milestones(config, data.images, data.training_images)
    return marks.pretrain * speed.pretrain if kind == "pre-training" else (marks.warmup - marks.pretrain) * speed.warmup


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
        old = json.loads(folder.spec.read_text())
    except ValueError as error:
        raise SpecError(
            f"--results: {folder.spec} is damaged ({error}); restore it, or give another --results"
        ) from None
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
    was, now = (spec["budget"]["trials_per_condition"] for spec in (old, resolved))
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
    searched = plan.searched_config(first, {path: d.corners()[0] for path, d in plan.spec.space.items()}, 0)
    baselines = {name: plan.baseline_config(first, name, 0) for name in plan.spec.baselines}
    return plan.spec.model_dump(mode="json") | {
        "data": config.data.name,
        # Defaults may change with the code; trials before and after must not be compared.
        "config": _without_noise(searched),
        "baseline_configs": {name: _without_noise(own) for name, own in baselines.items()},
        "conditions": [condition.as_json() for condition in plan.conditions],
        "budget": {"trials_per_condition": plan.spec.budget.trials_per_condition, "samples": config.train.samples},
    }


def _without_noise(config: TrainConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"noise"})


def environment(plan: Plan, expected: Forecast, old: Mapping[str, Any]) -> dict[str, Any]:
    """environment.json: where and when the study runs. `old`: that of an earlier start, whose beginning stands."""
    import torch  # slow, and all that comes before in this module needs it not

    data, known = plan.data[plan.conditions[0].id], old.get("forecast", {})
    return {
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
    }
