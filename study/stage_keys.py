"""Shared stages: what several trials need and none of them changes is computed once, and found by what it depends on.

So far that is stage 0, the pre-training: it depends on images, network, augmentation and its own settings only.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from codim.config import TrainConfig
from study.plan import Plan

DEPENDS_ON = ("network", "augment", "pretrain")
"""Sections that decide the result, beside the images."""


def stage_key(config: TrainConfig) -> str:
    """SHA-256 of all that the pre-training of `config` depends on, of a file its content; empty where it has none."""
    if not config.pretrain.epochs:
        return ""
    settings = {name: getattr(config, name).model_dump(mode="json") for name in DEPENDS_ON}
    if config.network.weights is not None:
        settings["network"]["weights"] = _digest(config.network.weights, config.network.weights.stat().st_mtime_ns)
    if config.noise.kind == "openset":  # the one noise that changes the images
        settings["noise"] = config.noise.model_dump(mode="json")
    text = json.dumps({"stage": "pretrain", "data": config.data.images(), **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _digest(path: Path, changed: int) -> str:
    """SHA-256 of a file. `changed`: when it was, so that a file is read again only after a change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shared_stages(plan: Plan) -> dict[str, TrainConfig]:
    """Key -> a config that has the stage, for the stages that more than one trial shares.

    Where a searched setting enters the stage, each searched trial computes its own; the baselines still share theirs.
    """
    configs = [
        plan.baseline_config(condition, name, 0) for condition in plan.conditions for name in plan.spec.baselines
    ]
    if not any(path.split("/")[0] in DEPENDS_ON for path in plan.spec.space):
        configs += [plan.corner(condition, -1) for condition in plan.conditions]
    return {key: config for config in configs if (key := stage_key(config))}
