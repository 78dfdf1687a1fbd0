"""A training goes on bit for bit from any epoch; a file that is not whole, not ours or of another config is refused."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import codim
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.evaluation.predict import predict
from codim.runtime.tensor_file import previous, read_tensors, write_tensors
from codim.training.checkpoint import InputSpec, has_checkpoint, load_checkpoint, load_trained, save_checkpoint
from codim.training.loop import run_epochs
from codim.training.state import TrainState
from tests.support.runs import same_weights, timeless, train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]


def input_spec(config: TrainConfig, data: TrainingData) -> InputSpec:
    return InputSpec.of(data, Augmenter.fit(config.augment, data.images))


def forge(path: Path, content: Any) -> None:
    """A file with a right checksum, and no previous one to fall back on."""
    write_tensors(path, content)
    previous(path).unlink()


@pytest.mark.parametrize(
    "over",
    [
        {"divide": {"loss_history": 2}, "optim": {"schedule": "cosine"}},
        {"method": "codim-self", "train": {"epoch": "labelled"}, "mixmatch": {"guess_in_train_mode": False}},
        {"method": "dividemix", "data": {"val_fraction": 0}},
        {"method": "cssl", "divide": {"labels_per_class": 4}, "noise": {"kind": "none"}},
        {"contrastive": {"kind": "both"}, "average": {"kind": "swa", "start": 0.5}},
        {"method": "ce", "warmup": {"epochs": 1, "confidence_penalty": 0.5}},
    ],
    ids=lambda over: over.get("method", "codim-sup"),
)
def test_resume_at_every_epoch(tiny: Tiny, tmp_path: Path, over: dict[str, Any]) -> None:
    config, data = tiny(over)
    state, spec = TrainState.create(config, data), input_spec(config, data)
    save_checkpoint(tmp_path / "0.pt", config, state, spec)
    rows = []
    for row in run_epochs(config, data, state):
        rows.append(row)
        save_checkpoint(tmp_path / f"{len(rows)}.pt", config, state, spec)
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
        save_checkpoint(path, config, state, input_spec(config, data))
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
    with pytest.raises(ValueError, match=r"last\.pt is damaged"):
        load_checkpoint(path, config, data)


def test_a_missing_file_is_refused(saved: Saved) -> None:
    path, config, data = saved
    with pytest.raises(ValueError, match=r"there is no checkpoint .*absent\.pt"):
        load_checkpoint(path.with_name("absent.pt"), config, data)


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {}, {"epoch": 3}, {"config": 3}, {"config": {}}])
def test_a_foreign_file_is_refused(saved: Saved, content: Any) -> None:
    path, config, data = saved
    forge(path, content)
    with pytest.raises(ValueError, match=r"last\.pt"):
        load_checkpoint(path, config, data)


KEYS = [
    "config",
    "input",
    "networks",
    "optimizers",
    "generator",
    "epoch",
    "samples",
    "active",
    "loss_history",
    "divisions",
    "pretraining",
]


def test_the_keys_of_a_checkpoint(saved: Saved) -> None:
    content = read_tensors(saved[0])
    assert set(content) == {*KEYS, "average", "statistics", "version"}
    assert content["version"] == codim.__version__


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", ["lost", "text", [3], {"a": 1}], ids=["lost", "text", "list", "dict"])
def test_a_tampered_entry_is_refused(saved: Saved, key: str, value: Any) -> None:
    path, config, data = saved
    content = read_tensors(path)
    if value == "lost":
        del content[key]
    else:
        content[key] = copy.deepcopy(value)
    forge(path, content)
    if key != "input":
        with pytest.raises(ValueError, match=r"last\.pt"):
            load_checkpoint(path, config, data)
    if key in ("config", "input", "networks", "epoch"):
        with pytest.raises(ValueError, match=r"last\.pt"):
            load_trained(path, torch.device("cpu"))


def test_weights_of_another_shape_are_refused(saved: Saved) -> None:
    path, config, data = saved
    content = read_tensors(path)
    content["networks"][1]["classifier.weight"] = torch.zeros(3, 3)
    forge(path, content)
    with pytest.raises(ValueError, match=r"classifier\.weight"):
        load_checkpoint(path, config, data)


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def test_nothing_in_a_file_is_executed(saved: Saved, tmp_path: Path) -> None:
    path, config, data = saved
    forge(path, {**read_tensors(path), "epoch": Evil(tmp_path / "executed")})
    with pytest.raises(ValueError, match=r"last\.pt cannot be read"):
        load_checkpoint(path, config, data)
    assert not (tmp_path / "executed").exists()


@pytest.fixture
def two(tiny: Tiny, tmp_path: Path) -> tuple[Path, TrainConfig, TrainingData]:
    """A checkpoint after the fifth epoch (of co-training), the fourth's beside it."""
    config, data = tiny()
    state, path = TrainState.create(config, data), tmp_path / "two.pt"
    for row in run_epochs(config, data, state):
        save_checkpoint(path, config, state, input_spec(config, data))
        if row.epoch == 4:
            return path, config, data
    raise AssertionError


def test_two_files_are_kept(two: Saved) -> None:
    assert sorted(file.name for file in two[0].parent.iterdir()) == ["two.previous.pt", "two.pt"]
    assert [read_tensors(file)["epoch"] for file in (two[0], previous(two[0]))] == [5, 4]


@pytest.mark.parametrize("how", ["changed", "cut", "gone", "forged"])
def test_the_previous_one_is_used_where_the_newest_is_damaged(
    two: Saved, how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, config, data = two
    whole, kept = path.read_bytes(), previous(path).read_bytes()
    if how == "changed":
        path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    elif how == "cut":
        path.write_bytes(whole[:-1])
    elif how == "gone":
        path.unlink()
    else:
        write_tensors(path, {**read_tensors(path), "networks": Evil(tmp_path / "executed")})
        previous(path).write_bytes(kept)
    assert has_checkpoint(path)
    state = load_checkpoint(path, config, data)
    assert state.epoch == 4
    assert f"{path} " in caplog.text
    assert str(previous(path)) in caplog.text
    assert load_trained(path, torch.device("cpu")).input.classes == data.classes
    save_checkpoint(path, config, state, input_spec(config, data))
    assert read_tensors(path)["epoch"] == 4
    if how != "forged":
        assert previous(path).read_bytes() == kept, "a damaged file took the place of a whole one"
    assert not (tmp_path / "executed").exists()


def test_two_damaged_files_are_both_named(two: Saved) -> None:
    path, config, data = two
    path.write_bytes(b"")
    previous(path).unlink()
    with pytest.raises(ValueError, match=r"two\.pt is damaged: .*; .*two\.previous\.pt does not exist"):
        load_checkpoint(path, config, data)


def test_another_config_is_no_damage(two: Saved, tiny: Tiny) -> None:
    with pytest.raises(ValueError, match="optim/lr"):
        load_checkpoint(two[0], *tiny({"optim": {"lr": 0.5}}))


def test_a_checkpoint_predicts_without_its_data(two: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, or by its folder; also where the file of the first weights is gone."""
    path, config, data = two
    expected = load_checkpoint(path, config, data)
    augmenter = Augmenter.fit(config.augment, data.images)
    content = read_tensors(path)
    content["config"]["network"]["weights"] = "/gone.pt"
    write_tensors(path.with_name("checkpoint.pt"), content)
    monkeypatch.setattr("codim.data.load.DATASETS", {})
    logits = predict(expected.networks, data.images[:20], augmenter)
    for place in (path, path.parent):
        trained = load_trained(place, torch.device("cpu"))
        assert trained.input.classes == data.classes
        assert trained.input.shape == (1, 8, 8)
        assert torch.equal(predict(trained.networks, data.images[:20], trained.augmenter), logits)


def test_networks_that_have_seen_no_label_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    """The last epoch of pre-training leaves a random classifier."""
    config, data = tiny()
    state = TrainState.create(config, data)
    for row in run_epochs(config, data, state):
        save_checkpoint(tmp_path / "early.pt", config, state, input_spec(config, data))
        if row.phase == "warmup":
            break
        with pytest.raises(ValueError, match="pre-training"):
            load_trained(tmp_path / "early.pt", torch.device("cpu"))
    load_trained(tmp_path / "early.pt", torch.device("cpu"))
