"""The recorded histograms of the losses that an epoch divided, against numpy's; and after a resumption."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData, load_data
from codim.division.divide import LOSS_BINS
from codim.evaluation.observer import Observer
from codim.runtime.tensor_file import read_tensors, write_tensors
from codim.training.checkpoint import InputSpec, load_checkpoint, save_checkpoint
from codim.training.loop import run_epochs
from codim.training.session import Session
from codim.training.state import TrainState
from tests.support.runs import timeless, train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]


def started(config: TrainConfig, data: TrainingData) -> Session:
    session = Session(config, data, load_data(config.data, config.noise)[1])
    session.start()
    return session


def histogram(scaled: NDArray[np.float64]) -> list[int]:
    counts: list[int] = np.histogram(scaled, LOSS_BINS, (0, 1))[0].tolist()
    return counts


@pytest.mark.parametrize(
    "over",
    [
        {"divide": {"loss_history": 1}},
        {"divide": {"loss_history": 2}, "method": "dividemix"},
        {"divide": {"loss_history": 1}, "train": {"epoch_images": 101}},
    ],
    ids=["one epoch", "averaged", "a part of the images"],
)
def test_the_recorded_histogram_is_numpys(tiny: Tiny, over: dict[str, dict[str, int]]) -> None:
    config, data = tiny(over)
    session = started(config, data)
    state, truth = session.state, session.truth
    assert truth is not None
    losses: list[NDArray[np.float64]] = []
    images = state.active
    divided = 0
    for row in session.epochs():
        if row["phase"] != "cotrain":
            assert row["loss_histogram"] == row["oracle_loss_histogram"] == []
        else:
            divided += 1
            used = losses[-config.divide.loss_history :]
            low, high = ([f(own, axis=1, keepdims=True) for own in used] for f in (np.min, np.max))
            scaled = np.mean([(x - a) / (b - a) for x, a, b in zip(used, low, high, strict=True)], axis=0)
            wrong = (data.labels != truth.labels)[images].numpy()
            assert row["loss_histogram"] == histogram(scaled)
            assert row["oracle_loss_histogram"] == histogram(scaled[:, wrong])
            assert sum(row["loss_histogram"]) == 2 * len(images)
            assert sum(row["oracle_loss_histogram"]) == 2 * wrong.sum() > 0
        if state.evaluation is not None:
            losses.append(state.evaluation.losses.double().numpy())
            images = state.evaluation.images
    assert divided >= 2


def test_a_given_division_has_none(tiny: Tiny) -> None:
    config, data = tiny({"method": "cssl", "divide": {"labels_per_class": 4}, "noise": {"kind": "none"}})
    for row in started(config, data).epochs():
        assert row["loss_histogram"] == row["oracle_loss_histogram"] == []


def test_it_survives_a_resumption_and_older_checkpoints_go_on(tiny: Tiny, tmp_path: Path) -> None:
    config, data = tiny()
    truth, state = load_data(config.data, config.noise)[1], TrainState.create(config, data)
    observer = Observer(data, truth, Augmenter.fit(config.augment, data.images))
    spec = InputSpec.of(data, observer.augmenter)
    rows = []
    for metrics in run_epochs(config, data, state):
        rows.append(metrics)
        if metrics.phase == "cotrain" and rows[-2].phase == "cotrain":
            break
    save_checkpoint(tmp_path / "new.pt", config, state, spec)
    assert state.evaluation is not None
    resumed = load_checkpoint(tmp_path / "new.pt", config, data)
    before, after = (
        observer.measure(state.networks, state.evaluation, divisions)
        for divisions in (state.divisions, resumed.divisions)
    )
    assert before.oracle_loss_histogram == after.oracle_loss_histogram != []

    content = read_tensors(tmp_path / "new.pt")
    for division in content["divisions"]:
        assert division.pop("loss_bin").dtype == torch.uint8
    write_tensors(tmp_path / "old.pt", content)
    rest, _ = train(config, data, load_checkpoint(tmp_path / "old.pt", config, data))
    undisturbed, _ = train(config, data)
    assert timeless([*rows, *rest]) == timeless(undisturbed)
    assert rest[0].loss_histogram
