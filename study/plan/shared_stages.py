"""Shared stages: stages common to several trials are computed once, and found by a key of all that they depend on.

Stage 0, the pre-training, depends on images, network, augmentation and its own settings, so all conditions share it.
Stage 1, the warm-up, depends on the noise too, and on the optimiser; the trials of a condition share it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from codim.config.budget import Drawn, drawn_samples, milestones
from codim.config.divide import DivideConfig
from codim.config.train import LoopConfig
from codim.config.train_config import TrainConfig
from codim.noise.base import NoNoise
from study.plan.plan import Plan
from study.spec.conditions import ConditionData

Kind = Literal["pre-training", "warm-up"]


class Stage(NamedTuple):
    """A stage of a training that other trainings may share."""

    kind: Kind
    key: str
    """SHA-256 of all that the stage depends on; files count with their content."""
    config: TrainConfig
    """Training that computes the stage; settings that do not affect the stage have their defaults."""


def pretraining(config: TrainConfig) -> Stage | None:
    """Return the pre-training stage of a training; None if it has none."""
    if not config.pretrain.epochs:
        return None
    own = TrainConfig(
        data=config.data,
        noise=config.noise if config.noise.changes_images else NoNoise(),
        network=config.network,
        augment=config.augment,
        pretrain=config.pretrain,
        train=LoopConfig(device=config.train.device),
    )
    settings = own.model_dump(
        mode="json", include={"noise", "network", "augment", "pretrain"}, exclude=_without_part(config)
    )
    if config.network.weights is not None:  # the path of the file does not matter
        settings["network"]["weights"] = _digest(config.network.weights)
    return _stage("pre-training", own, settings | {"data": config.data.images()})


def warm_up(config: TrainConfig) -> Stage | None:
    """Return the stage up to the end of warm-up; None if a training has none or does not share it (`warmup/seed`)."""
    if not config.warms_up or config.warmup.seed is None:
        return None
    own = TrainConfig(
        data=config.data,
        noise=config.noise,
        network=config.network,
        augment=config.augment,
        pretrain=config.pretrain,
        warmup=config.warmup,
        divide=DivideConfig(loss_history=config.divide.loss_history),
        optim=config.optim,
        train=config.train.model_copy(update={"seed": 0, "epoch": "labelled"}),
        average=config.average,
    )
    places = (config.network.weights, *config.noise.files, config.data.labels, config.data.trusted)
    digests = {"files": [_digest(path) for path in places if path and not path.is_dir()]}
    return _stage("warm-up", own, own.model_dump(mode="json", exclude=_without_part(config)) | digests)


def shared_stages(plan: Plan) -> list[Stage]:
    """Return the stages that more than one trial needs, each after the stage that it builds on.

    If a stage depends on a searched setting, each searched trial computes its own; baselines may still share theirs.
    """
    needed = []
    for of in (pretraining, warm_up):
        for condition in plan.conditions:
            baselines = [of(plan.baseline_config(condition, name, 0)) for name in plan.spec.baselines]
            # These two searched trials differ in every setting: a stage that they share is shared by all.
            low, high = (of(plan.corner(condition, end)) for end in (0, -1))
            needed += [stage for stage in (*baselines, *((low, high) if low == high else ())) if stage]
    users = Counter(stage.key for stage in needed)
    return list({stage.key: stage for stage in needed if users[stage.key] > 1}.values())


def drawn_by_trial(config: TrainConfig, data: ConditionData, shared: Set[str]) -> Drawn:
    """Return the samples that a whole training draws itself, without the stages whose keys are in `shared`."""
    own = drawn_samples(config, data.images, data.training_images)
    first, second = pretraining(config), warm_up(config)
    if second and second.key in shared:
        return Drawn(cotrain=own.cotrain)
    return own._replace(pretrain=0) if first and first.key in shared else own


def drawn_by_stage(stage: Stage, data: ConditionData) -> Drawn:
    marks = milestones(stage.config, data.images, data.training_images)
    return Drawn(marks.pretrain) if stage.kind == "pre-training" else Drawn(warmup=marks.warmup - marks.pretrain)


def _without_part(config: TrainConfig) -> dict[str, set[str]]:
    """Return the settings, by section, that are younger than the keys of existing stages and have no part in a stage of
    this training: they stay out of its key."""
    unused = {name for name in ("labels", "trusted", "trusted_per_class") if not getattr(config.data, name)}
    views = set() if config.data.facts.vectors else {"feature_noise", "feature_dropout", "feature_mixup"}
    return {
        "mixmatch": {"terms"},
        "data": {"labels_are_true", *unused},
        "divide": {"measure", "noise_rate"},
        "augment": views,
    }


def _stage(kind: Kind, config: TrainConfig, settings: dict[str, Any]) -> Stage:
    text = json.dumps({"stage": kind, **settings}, sort_keys=True)
    return Stage(kind, hashlib.sha256(text.encode()).hexdigest(), config)


def _digest(path: Path) -> str:
    return _digest_at(path, path.stat().st_mtime_ns)


@cache
def _digest_at(path: Path, changed: int) -> str:
    """Return the SHA-256 of a file. `changed`: its modification time, part of the key of the cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
