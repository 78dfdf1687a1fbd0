"""What a training holds of every image beside its pixels, as benchmarks/memory.py counts it."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch
from memory import BAR, held_bytes, state_bytes
from workload import random_data

from codim.config.train_config import TrainConfig, train_config
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.training.checkpoint import InputSpec, load_checkpoint, save_checkpoint
from codim.training.loop import run_epochs
from codim.training.state import TrainState


@pytest.mark.parametrize("name", ["digits", "cifar10", "cifar100"])
def test_co_training_holds_84_bytes_an_image(name: Literal["digits", "cifar10", "cifar100"]) -> None:
    held = held_bytes(name, n=400)
    assert held.keys() >= {"labels", "train_index", "loss_history", "divisions", "evaluation"}
    assert sum(held.values()) <= BAR


def test_what_is_shared_counts_once() -> None:
    config = train_config({"network": {"width": 4}, "pretrain": {"epochs": 0}, "train": {"device": "cpu"}})
    data = random_data(50, 10)
    state = TrainState.create(config, data)
    assert state_bytes(data, state) == {"labels": 8, "train_index": 8, "statistics": 22}
    state.active = state.active.clone()
    state.loss_history = [torch.zeros(2, 50)]
    assert state_bytes(data, state) == {
        "labels": 8,
        "train_index": 8,
        "active": 8,
        "statistics": 22,
        "loss_history": 8,
    }


def test_a_resumed_training_holds_no_more(
    tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path
) -> None:
    config, data = tiny()
    state = TrainState.create(config, data)
    for _ in run_epochs(config, data, state):
        pass
    save_checkpoint(tmp_path / "last.pt", config, state, InputSpec.of(data, Augmenter.fit(config.augment, data.images)))
    resumed = load_checkpoint(tmp_path / "last.pt", config, data)
    # Both come anew with each epoch.
    resumed.evaluation = state.evaluation
    resumed.loss_history = state.loss_history
    assert state_bytes(data, resumed) == state_bytes(data, state)
