"""A study's shared stages on embeddings: they are those of a training, and known by what they depend on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codim.config.auto import Counts, resolved
from codim.config.train_config import TrainConfig, merge, train_config
from codim.training.session import Session
from study.plan.shared_stages import pretraining, warm_up
from study.worker.stages import compute_stage, start_of
from tests.support.vectors import blobs, save, settings

N = 90
BASE: dict[str, Any] = {
    "method": "codim-sup",
    "noise": {"kind": "symmetric", "rate": 0.3},
    "network": {"width": 8},
    "pretrain": {"epochs": 1, "batch_size": 16},
    "warmup": {"epochs": 2, "seed": 0},
    "mixmatch": {"rampup_epochs": 0},
    "train": {"samples": 900, "batch_size": 8},
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    vectors, labels = blobs(N)
    return save(tmp_path / "x.npy", vectors, label=labels)


def config_of(place: Path, **over: Any) -> TrainConfig:
    given = merge(BASE, {"data": settings(place, labels_are_true=True)})
    return train_config(resolved(merge(given, over), Counts(N, N, 0, gpu=False)))


@pytest.mark.parametrize("measure", ["loss", "contradictions"])
def test_a_trial_after_shared_stages_is_the_training_alone(measure: str, place: Path, tmp_path: Path) -> None:
    """What the networks thought in the warm-up goes with it."""
    config = config_of(place, divide={"measure": measure})
    for stage in (pretraining(config), warm_up(config)):
        assert stage is not None
        assert compute_stage(stage, tmp_path / "stages") == "computed"
    alone, after = Session.load(config), Session.load(config)
    alone.start()
    rows = list(alone.epochs())
    after.state, before = start_of(config, after.data, tmp_path / "stages")
    assert len(before) > 0
    later = list(after.epochs())
    assert [row["val_loss"] for row in later] == [row["val_loss"] for row in rows[-len(later) :]]
    assert torch.equal(after.state.statistics.margin, alone.state.statistics.margin)


def test_keys_tell_apart_what_the_stages_depend_on(place: Path, tmp_path: Path) -> None:
    config = config_of(place)
    np.save(tmp_path / "trusted.npy", np.arange(5))
    trusted = config_of(place, data=settings(place, labels_are_true=True, trusted=str(tmp_path / "trusted.npy")))
    views = config_of(place, augment={"feature_noise": 0.7})
    some = config_of(place, data=settings(place, labels_are_true=True, trusted_per_class=2))
    measured = config_of(place, divide={"measure": "margin"})
    keys = {name: (pretraining(c), warm_up(c)) for name, c in (("as is", config), ("views", views))}
    assert keys["as is"][0].key != keys["views"][0].key  # type: ignore[union-attr]
    assert warm_up(config).key != warm_up(trusted).key  # type: ignore[union-attr]
    assert warm_up(config).key != warm_up(some).key  # type: ignore[union-attr]
    assert warm_up(config).key == warm_up(measured).key  # type: ignore[union-attr]
    before = warm_up(trusted)
    np.save(tmp_path / "trusted.npy", np.arange(6))
    assert warm_up(trusted) != before
