"""Compose the TrainConfig of a trial from the study file."""

from collections.abc import Mapping
from typing import Any

from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, merge, train_config
from study.spec.conditions import Condition
from study.spec.study_spec import StudySpec


def compose(settings: Mapping[str, Any], condition: Condition, seed: int) -> TrainConfig:
    """Return the TrainConfig of a trial with `settings`. Raises ValueError: names the setting and what is allowed."""
    own = {"noise": condition.noise.model_dump(), "train": {"seed": seed}}
    # One seed, so that the trials of a condition share the warm-up, as all share the pre-training.
    return train_config(merge(merge({"warmup": {"seed": 0}}, settings), own))


def baseline_settings(spec: StudySpec, name: str) -> dict[str, Any]:
    """Return the settings of a baseline: `fixed`, overridden by its method's preset, then by its own settings.

    `fixed` is written for the searched method: dividemix has no pre-training even if `fixed` sets its epochs.
    """
    own = spec.baselines[name]
    preset = METHODS.get(str(own.get("method")), {})
    return merge(merge(spec.fixed, preset), own)
