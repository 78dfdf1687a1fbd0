"""A training goes on bit for bit from any epoch; a file that is not whole, not ours or of another config is refused."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import same_weights, timeless, train

from codim.checkpoint import load_checkpoint, read_tensors, save_checkpoint, write_tensors
from codim.config import TrainConfig
from codim.datasets import TrainingData
from codim.state import TrainState
from codim.train import run_epochs

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]


@pytest.mark.parametrize(
    "over",
    [
        {"divide": {"loss_history": 2}, "optim": {"schedule": "cosine"}},
        {"method": "codim-self", "train": {"epoch": "labelled"}, "mixmatch": {"guess_in_train_mode": False}},
        {"method": "dividemix", "data": {"val_fraction": 0}},
        {"method": "ce", "warmup": {"epochs": 1, "confidence_penalty": 0.5}},
    ],
    ids=lambda over: over.get("method", "codim-sup"),
)
def test_resume_at_every_epoch(tiny: Tiny, tmp_path: Path, over: dict[str, Any]) -> None:
    config, data = tiny(over)
    state = TrainState.create(config, data)
    save_checkpoint(tmp_path / "0.pt", config, state)
    rows = []
    for row in run_epochs(config, data, state):
        rows.append(row)
        save_checkpoint(tmp_path / f"{len(rows)}.pt", config, state)
    undisturbed, state_undisturbed = train(config, data)
    assert timeless(rows) == timeless(undisturbed), "saving changed the training"
    assert same_weights(state, state_undisturbed)
    for done in range(len(rows)):
        config_again, data_again = tiny(over)
        resumed = load_checkpoint(tmp_path / f"{done}.pt", config_again, data_again)
        rest, resumed = train(config_again, data_again, resumed)
        assert timeless(rest) == timeless(rows[done:]), done
        assert same_weights(state, resumed), done
        assert torch.equal(state.generator.get_state(), resumed.generator.get_state())


written: list[bytes] = []


@pytest.fixture
def saved(tiny: Tiny, tmp_path: Path) -> tuple[Path, TrainConfig, TrainingData]:
    """A checkpoint of the last epoch; trained once, copied for each test."""
    config, data = tiny()
    path = tmp_path / "last.pt"
    if not written:
        _, state = train(config, data)
        save_checkpoint(path, config, state)
        written.append(path.read_bytes())
    path.write_bytes(written[0])
    return path, config, data


Saved = tuple[Path, TrainConfig, TrainingData]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"optim": {"lr": 0.5}}, "optim/lr = 0.02, the config has 0.5"),
        ({"noise": {"kind": "none"}}, "noise/kind = 'symmetric', the config has 'none'"),
        ({"noise": {"kind": "symmetric", "rate": 0.4, "seed": 1}}, "noise/seed = 0, the config has 1"),
        ({"pretrain": {"epochs": 3}}, "pretrain/epochs = 2, the config has 3"),
    ],
)
def test_a_checkpoint_of_another_config_is_refused(
    saved: Saved, tiny: Tiny, over: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_checkpoint(saved[0], *tiny(over))


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(saved: Saved, share: float) -> None:
    path, config, data = saved
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"last\.pt cannot be read as a checkpoint"):
        load_checkpoint(path, config, data)


def test_a_missing_file_is_refused(saved: Saved) -> None:
    path, config, data = saved
    with pytest.raises(ValueError, match=r"absent\.pt cannot be read"):
        load_checkpoint(path.with_name("absent.pt"), config, data)


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {}, {"epoch": 3}, {"config": 3}, {"config": {}}])
def test_a_foreign_file_is_refused(saved: Saved, content: Any) -> None:
    path, config, data = saved
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"last\.pt"):
        load_checkpoint(path, config, data)


KEYS = ["config", "networks", "optimizers", "generator", "epoch", "samples", "loss_history", "divisions", "pretraining"]


def test_the_keys_of_a_checkpoint(saved: Saved) -> None:
    assert set(read_tensors(saved[0])) >= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", ["lost", "text", [3], {"a": 1}], ids=["lost", "text", "list", "dict"])
def test_a_tampered_entry_is_refused(saved: Saved, key: str, value: Any) -> None:
    path, config, data = saved
    content = read_tensors(path)
    if value == "lost":
        del content[key]
    else:
        content[key] = copy.deepcopy(value)
    write_tensors(path, content)
    with pytest.raises(ValueError, match=r"last\.pt"):
        load_checkpoint(path, config, data)


def test_weights_of_another_shape_are_refused(saved: Saved) -> None:
    path, config, data = saved
    content = read_tensors(path)
    content["networks"][1]["classifier.weight"] = torch.zeros(3, 3)
    write_tensors(path, content)
    with pytest.raises(ValueError, match=r"classifier\.weight"):
        load_checkpoint(path, config, data)


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def test_nothing_in_a_file_is_executed(saved: Saved, tmp_path: Path) -> None:
    path, config, data = saved
    torch.save({**read_tensors(path), "epoch": Evil(tmp_path / "executed")}, path)
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_checkpoint(path, config, data)
    assert not (tmp_path / "executed").exists()


def test_writing_is_atomic(tmp_path: Path) -> None:
    """A failure on the way leaves the old file, and no reader finds half of a new one."""
    path = tmp_path / "more" / "state.pt"
    write_tensors(path, {"a": torch.arange(3)})
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        write_tensors(path, {"a": lambda: None})
    assert read_tensors(path)["a"].tolist() == [0, 1, 2]
    write_tensors(path, {"a": torch.zeros(2)})
    assert read_tensors(path)["a"].tolist() == [0, 0]
