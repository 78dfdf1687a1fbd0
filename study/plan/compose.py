"""Compose: what a study file says of a trial becomes its TrainConfig."""

from collections.abc import Mapping
from typing import Any

from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, merge, train_config
from study.spec.conditions import Condition
from study.spec.study_spec import StudySpec


def compose(settings: Mapping[str, Any], condition: Condition, seed: int) -> TrainConfig:
    """Of the trial with these settings. Raises ValueError: names the setting and what is allowed."""
    own = {"noise": condition.noise.model_dump(), "train": {"seed": seed}}
    # The trials of a condition share the warm-up, as all share the pre-training.
    return train_config(merge(merge({"warmup": {"seed": 0}}, settings), own))


def baseline_settings(spec: StudySpec, name: str) -> dict[str, Any]:
    """`fixed`, then the preset of the baseline's method, then its own settings.

    `fixed` is written for the searched method; where it names the epochs of pre-training, dividemix still has none.
    """
    own = spec.baselines[name]
    preset = METHODS.get(str(own.get("method")), {})
    return merge(merge(spec.fixed, preset), own)
