"""Save and load a TrainState with its random states: atomic to write, and nothing in the file is executed on
reading."""

import os
from dataclasses import asdict
from operator import index
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codim.config import TrainConfig
from codim.datasets import TrainingData
from codim.divide import Division
from codim.state import TrainState


def save_checkpoint(path: Path, config: TrainConfig, state: TrainState) -> None:
    """Write beside `path`, then rename: a reader finds the old file or the new one, whole."""
    stage = state.pretraining
    write_tensors(
        path,
        {
            "config": config.model_dump(mode="json"),
            "networks": [net.state_dict() for net in state.networks],
            "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
            "generator": state.generator.get_state(),
            "epoch": state.epoch,
            "samples": state.samples,
            "loss_history": state.loss_history,
            "divisions": [asdict(division) for division in state.divisions],
            "pretraining": stage
            and {
                "network": stage.network.state_dict(),
                "optimizer": stage.optimizer.state_dict(),
                "generator": stage.generator.get_state(),
                "epoch": stage.epoch,
            },
        },
    )


def load_checkpoint(path: Path, config: TrainConfig, data: TrainingData) -> TrainState:
    """The state saved under the same config.

    Raises:
        ValueError: the file is not a whole checkpoint, or it is of another config (names the first setting that
        differs).
    """
    saved = read_tensors(path)
    try:
        return _restore(saved, config, data, path)
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError) as error:
        raise ValueError(f"checkpoint {path} does not hold a training state: {error}") from error


def _restore(saved: dict[str, Any], config: TrainConfig, data: TrainingData, path: Path) -> TrainState:
    _require_same(saved["config"], config.model_dump(mode="json"), path)
    state = TrainState.create(config, data)
    for net, weights in zip(state.networks, saved["networks"], strict=True):
        net.load_state_dict(weights)
    for optimizer, values in zip(state.optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(values)
    state.generator.set_state(saved["generator"])
    state.epoch, state.samples = index(saved["epoch"]), index(saved["samples"])
    device = data.images.device
    state.loss_history = [losses.to(device) for losses in saved["loss_history"]]
    state.divisions = [Division(**_on(device, values)) for values in saved["divisions"]]
    if saved["pretraining"] is None:
        state.pretraining = None
    else:
        stage, values = state.pretraining, saved["pretraining"]
        assert stage is not None
        stage.network.load_state_dict(values["network"])
        stage.optimizer.load_state_dict(values["optimizer"])
        stage.generator.set_state(values["generator"])
        stage.epoch = values["epoch"]
    return state


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """torch.save of tensors and plain values, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(content, scratch)
    scratch.replace(path)


def read_tensors(path: Path) -> dict[str, Any]:
    """The inverse of `write_tensors`, on the CPU. Raises ValueError for a missing, truncated or foreign file."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a damaged file
        raise ValueError(f"{path} cannot be read as a checkpoint: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} cannot be read as a checkpoint: it holds a {type(content).__name__}")
    return content


def _on(device: torch.device, values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in values.items()}


def _require_same(saved: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    for section, settings in wanted.items():
        for name, value in settings.items():
            found = saved.get(section, {}).get(name)
            if found != value:
                raise ValueError(
                    f"checkpoint {path} was made with {section}/{name} = {found!r}, the config has {value!r}"
                )
