"""CSSL: a given labelled set in place of warm-up and co-divide."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codim.config.divide import DivideConfig
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.division.labelled_set import given_division
from codim.training.state import TrainState
from tests.support.runs import same_weights, timeless, train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]
CSSL: dict[str, Any] = {"method": "cssl", "divide": {"labels_per_class": 4}, "noise": {"kind": "none"}}


def test_so_many_of_each_class_are_labelled(tiny: Tiny) -> None:
    config, data = tiny(CSSL)
    division = given_division(data, config.divide)
    assert torch.equal(division.index, data.train_index)
    assert data.labels[division.index[division.labelled]].bincount().tolist() == [4] * 10
    assert torch.equal(division.clean_probability, division.labelled.float())
    other = given_division(data, config.divide.model_copy(update={"labels_seed": 1}))
    assert not torch.equal(division.labelled, other.labelled)
    assert torch.equal(division.labelled, given_division(data, config.divide).labelled)


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_a_file_may_say_which(tiny: Tiny, tmp_path: Path, suffix: str) -> None:
    _, data = tiny(CSSL)
    wanted = data.train_index[[5, 1, 17]].numpy()
    path = tmp_path / f"labelled{suffix}"
    {".npy": np.save, ".txt": partial(np.savetxt, fmt="%d")}[suffix](path, wanted)
    division = given_division(data, DivideConfig(split="given", labelled_file=path))
    assert sorted(division.index[division.labelled].tolist()) == sorted(wanted.tolist())


def test_bad_sets_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    _, data = tiny(CSSL)
    n = len(data.images)

    def file(text: str) -> DivideConfig:
        path = tmp_path / f"labelled{len(list(tmp_path.iterdir()))}.txt"
        path.write_text(text)
        return DivideConfig(split="given", labelled_file=path)

    held_out = int(data.val_index[0])
    for config, message in (
        (DivideConfig(split="given", labels_per_class=100), r"labels_per_class: 100, but class \d has \d+ samples"),
        (file("a\nb"), r"labelled0\.txt cannot be read as a list of numbers"),
        (file("1.5"), "cannot be read as a list of numbers"),
        (file(f"{n}\n{n + 1}"), f"names image {n} and 1 more that are not in the training part"),
        (file(str(held_out)), f"names image {held_out} .*none of the validation part"),
        (file("\n".join(map(str, data.train_index.tolist()))), "all 192 images of the training part are labelled"),
    ):
        with pytest.raises(ValueError, match=message):
            given_division(data, config)


def test_cssl_goes_from_pre_training_to_co_training(tiny: Tiny) -> None:
    rows, _ = train(*tiny(CSSL))
    assert {row.phase for row in rows} == {"pretrain", "cotrain"}
    last = rows[-1]
    assert (last.split_state, last.classes_without_labelled) == ("given", 0)
    assert last.labelled_fraction == pytest.approx(40 / 192)
    assert last.lambda_u == 25


def test_labels_of_unlabelled_images_cannot_reach_the_training(tiny: Tiny) -> None:
    config, data = tiny(CSSL)
    labelled = given_division(data, config.divide)
    file_config = config.divide.model_copy(update={"labels_per_class": 0})
    rest = labelled.index[~labelled.labelled]
    labels = data.labels.clone()
    labels[rest] = (labels[rest] + 3) % 10
    state = TrainState.create(config, data)
    garbage = TrainState.create(config, data)
    garbage.divisions = [labelled] * 2
    assert file_config.split == "given"
    rows, state = train(config, data, state)
    rows_garbage, garbage = train(config, replace(data, labels=labels), garbage)
    assert timeless(rows) == timeless(rows_garbage)
    assert same_weights(state, garbage)
