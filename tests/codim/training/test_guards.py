"""Whatever the labels, their number and the threshold: a training ends with finite numbers and says how it divided; a
network that has become NaN ends it with an error, never in silence."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codim.config.train_config import TrainConfig, merge, train_config
from codim.data.load import TrainingData
from codim.division.divide import SEVERITY
from codim.training import loop as stages
from codim.training.loop import run_epochs
from codim.training.state import TrainState

CLASSES = 4


def some_data(n: int, labels: str, seed: int) -> TrainingData:
    """Random pictures, whose mean brightness tells the class where labels are 'clean'."""
    rng = np.random.default_rng(seed)
    given = {
        "clean": np.arange(n) % CLASSES,
        "noisy": rng.integers(0, CLASSES, n),
        "one class": np.full(n, 2),
        "one of a class": np.r_[np.full(n - 1, 1), 3],
    }[labels]
    images = rng.integers(0, 60, (n, 1, 8, 8)) + 60 * given[:, None, None, None] * (labels == "clean")
    pictures = torch.from_numpy(images.astype(np.uint8))
    index = torch.arange(n)
    names = tuple("abcd")
    return TrainingData(pictures, torch.from_numpy(given), index, index[:0], names)


SHORT: dict[str, Any] = {
    "noise": {"kind": "none"},
    "network": {"width": 4, "projection_dim": 8},
    "augment": {"crop_padding": 1, "strong_scale_min": 0.5},
    "pretrain": {"epochs": 1, "batch_size": 8},
    "warmup": {"epochs": 1},
    "divide": {"loss_history": 1},
    "mixmatch": {"rampup_epochs": 1},
    "optim": {"lr": 0.02},
    "train": {"samples": 350, "batch_size": 32, "device": "cpu"},
}


def settings(**over: Any) -> TrainConfig:
    return train_config(merge(SHORT, over))


@given(
    n=st.integers(2, 40),
    labels=st.sampled_from(["clean", "noisy", "one class", "one of a class"]),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    kind=st.sampled_from(["self", "sup", "both"]),
    epoch=st.sampled_from(["labelled", "dataset"]),
    seed=st.integers(0, 100),
)
def test_a_training_is_finite_and_says_how_it_divided(
    n: int, labels: str, threshold: float, kind: str, epoch: str, seed: int
) -> None:
    """Fewer images than a batch has, too."""
    data = some_data(n, labels, seed)
    config = settings(
        divide={"p_threshold": threshold},
        contrastive={"kind": kind},
        train={"epoch": epoch, "seed": seed},
    )
    state = TrainState.create(config, data)
    rows = list(run_epochs(config, data, state))
    for row in rows:
        assert math.isfinite(row.loss)
    last = rows[-1]
    assert last.phase == "cotrain"
    assert last.split_state in SEVERITY[2:]
    assert 0 < last.labelled_fraction < 1
    for division in state.divisions:
        assert division.clean_probability.isfinite().all()
        assert 0 < int(division.labelled.sum()) < n
    present = int(data.labels.unique().numel())
    least = min(int(data.labels[d.index[d.labelled]].unique().numel()) for d in state.divisions)
    assert last.classes_without_labelled == present - least


def test_constant_losses_divide_and_train(monkeypatch: pytest.MonkeyPatch) -> None:
    data = some_data(30, "noisy", 0)
    config = settings()
    monkeypatch.setattr(stages, "scale_losses", lambda losses: torch.full_like(losses, 0.5).double())
    rows = list(run_epochs(config, data, TrainState.create(config, data)))
    assert {row.split_state for row in rows if row.phase == "cotrain"} == {"degenerate"}
    assert all(math.isfinite(row.loss) for row in rows)


@pytest.mark.parametrize("phase", ["pretrain", "warmup", "cotrain"])
def test_a_network_that_is_nan_ends_the_training(phase: str) -> None:
    data = some_data(40, "noisy", 0)
    config = settings(train={"samples": 600})
    state = TrainState.create(config, data)

    def poisoned() -> None:
        for row in run_epochs(config, data, state):
            if row.phase == phase:
                state.networks[1].classifier.bias.data[0] = float("nan")

    with pytest.raises(FloatingPointError, match="the training loss became nan in epoch"):
        poisoned()
