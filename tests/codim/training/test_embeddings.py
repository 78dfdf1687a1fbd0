"""Trainings on embeddings: every method, resumption, several workers, and what comes after a training."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import codim
from codim.commands import audit, crossval, predict
from codim.commands.arguments import AuditArguments, CrossvalArguments, PredictArguments
from codim.config.auto import Counts, resolved
from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, merge, train_config
from codim.data.load import TrainingData, load_data
from codim.training.loop import run_epochs
from codim.training.session import Session
from codim.training.state import TrainState
from tests.codim.runtime.test_distributed import leave, together
from tests.support.runs import same_weights
from tests.support.vectors import DIM, NAMES, beside, blobs, save, settings

N = 300
SETTINGS: dict[str, Any] = {
    "noise": {"kind": "symmetric", "rate": 0.4},
    "network": {"width": 16, "projection_dim": 8, "precision": "fp32"},
    "pretrain": {"epochs": 1, "batch_size": 32},
    "warmup": {"epochs": 2},
    "mixmatch": {"rampup_epochs": 1},
    "train": {"samples": 2_400, "batch_size": 16, "device": "cpu"},
}


def config_of(path: Path, method: str = "codim-sup", **over: Any) -> TrainConfig:
    own = {"divide": {"labels_per_class": 9}} if method == "cssl" else {}
    given = {"method": method, "data": settings(path, labels_are_true=True)} | own
    base = merge(SETTINGS, METHODS[method])
    return train_config(resolved(merge(merge(base, given), over), Counts(N, N, 0, gpu=False)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    vectors, labels = blobs(N + 60)
    split = ["train"] * N + ["test"] * 60
    return save(tmp_path / "x.npy", vectors, label=labels, split=split, id=[f"photo {i}" for i in range(N + 60)])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", ["mlp", "identity"])
def test_every_method_learns_from_wrong_labels(method: str, network: str, path: Path) -> None:
    width = 16 if network == "mlp" else None
    # cssl trusts its few labels, so they have to be right.
    over = {"noise": {"kind": "none"}} if method == "cssl" else {}
    session = Session.load(config_of(path, method, network={"name": network, "width": width}, **over))
    session.start()
    *_, last = session.epochs()
    assert last["oracle_test_acc"] > 0.9


def test_a_resumed_training_is_the_same(path: Path, tmp_path: Path) -> None:
    config, checkpoint = config_of(path), tmp_path / "checkpoint.pt"
    whole, part = Session.load(config), Session.load(config)
    whole.start()
    rows = list(whole.epochs())
    part.start()
    for _ in zip(range(3), part.epochs(), strict=False):
        part.save(checkpoint)
    again = Session.load(config)
    assert again.resume(checkpoint)
    later = list(again.epochs())
    assert same_weights(whole.state, again.state)
    assert [row["val_acc"] for row in later] == [row["val_acc"] for row in rows[-len(later) :]]


def prepared(path: Path) -> tuple[TrainConfig, TrainingData]:
    # Which rows a worker's batch norm sees differs by rounding; small steps keep that from growing.
    config = config_of(path, optim={"lr": 0.002}, pretrain={"epochs": 1, "batch_size": 32, "lr": 0.002})
    return config, load_data(config.data, config.noise)[0]


def trained(config: TrainConfig, data: TrainingData) -> dict[str, Any]:
    state = TrainState.create(config, data)
    rows = [asdict(replace(row, seconds=0.0)) for row in run_epochs(config, data, state)]
    return {"rows": rows, "weights": [value for net in state.networks for value in net.state_dict().values()]}


def whole_training(folder: Path) -> None:
    leave(folder, trained(*prepared(folder / "x.npy")))


def coarse_training(folder: Path) -> None:
    config, data = prepared(folder / "x.npy")
    network = config.network.model_copy(update={"precision": "bf16"})
    leave(folder, trained(config.model_copy(update={"network": network}), data))


def test_two_workers_are_one_with_the_whole_batch(path: Path, tmp_path: Path) -> None:
    """Mixing pairs embeddings of both workers, and batch norm is over both."""
    found, other = together(whole_training, tmp_path)
    alone = trained(*prepared(path))
    assert len(alone["rows"]) == len(found["rows"]) > 3
    for own, expected in zip(found["weights"], alone["weights"], strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-4)
    for own, same in zip(found["weights"], other["weights"], strict=True):
        assert torch.equal(own, same), "the workers drifted apart"


def test_two_workers_train_in_bfloat16(path: Path, tmp_path: Path) -> None:
    """As they do by default where the CPU can."""
    found, other = together(coarse_training, tmp_path)
    assert all(row["loss"] == pytest.approx(row["loss"]) for row in found["rows"])  # none is NaN
    assert found["rows"][-1]["val_acc"] > 0.4  # of labels of which 40% are wrong
    for own, same in zip(found["weights"], other["weights"], strict=True):
        assert torch.equal(own, same), "the workers drifted apart"


@pytest.fixture
def folder(path: Path, tmp_path: Path) -> Path:
    """The folder of a finished training."""
    session = Session.load(config_of(path))
    session.start()
    for _ in session.epochs():
        pass
    session.save(tmp_path / "run" / "checkpoint.pt")
    return tmp_path / "run"


def test_embeddings_in_another_order_are_noticed(folder: Path, path: Path) -> None:
    """Sums of what the networks thought of each label would belong to other ones."""
    labels = pq.read_table(beside(path))
    np.save(path, np.load(path)[::-1])
    pq.write_table(labels.take(np.arange(len(labels))[::-1]), beside(path))
    with pytest.raises(ValueError, match="samples or labels than the data have now, or in another order"):
        audit.main(AuditArguments(folder))
    with pytest.raises(ValueError, match="or in another order"):
        Session.load(config_of(path)).resume(folder / "checkpoint.pt")


def test_other_embeddings_are_predicted(folder: Path, tmp_path: Path) -> None:
    vectors, labels = blobs(50, seed=1)
    table = codim.predict(folder, vectors)
    assert (table["class"] == labels).mean() > 0.9
    for suffix in (".npy", ".npz", ".parquet"):
        place = save(tmp_path / f"others{suffix}", vectors, **({} if suffix == ".npy" else {"id": [*map(str, labels)]}))
        assert predict.main(PredictArguments(folder, place, tmp_path / "p.csv")) == 0
        with (tmp_path / "p.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["class"] for row in rows] == list(table["class"])
        assert [row["file"] for row in rows] == ([str(i + 1) for i in range(50)] if suffix == ".npy" else [*labels])


@pytest.mark.parametrize("narrow", [True, False])
def test_embeddings_of_another_encoder_are_refused(narrow: bool, folder: Path, tmp_path: Path) -> None:
    other = np.zeros((4, DIM - 1 if narrow else DIM + 1), dtype=np.float32)
    message = rf"holds embeddings of {other.shape[1]} numbers; allowed: embeddings of {DIM} numbers, as in training"
    with pytest.raises(ValueError, match=message):
        predict.main(PredictArguments(folder, save(tmp_path / "o.npy", other), tmp_path / "p.csv"))
    assert not (tmp_path / "p.csv").exists()
    with pytest.raises(ValueError, match=f"embeddings: {other.shape[1]} numbers each; allowed: {DIM}"):
        codim.predict(folder, other)


def test_the_audit_names_embeddings_by_their_ids(folder: Path) -> None:
    assert audit.main(AuditArguments(folder)) == 0
    with (folder / "label_audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(row["file"] == f"photo {row['index']}" for row in rows)
    page = (folder / "label_audit.html").read_text()
    assert f"of {N} embeddings" in page
    assert "<img" not in page


def test_out_of_fold_predictions(path: Path, tmp_path: Path) -> None:
    given = {"data": settings(path), "noise": {"kind": "pairflip", "rate": 0.2}, "warmup": {"epochs": 4}}
    (tmp_path / "s.json").write_text(json.dumps(given))
    assert crossval.main(CrossvalArguments(tmp_path / "s.json", folds=2, output=tmp_path / "p.parquet")) == 0
    table = pq.read_table(tmp_path / "p.parquet")
    probabilities = np.stack(table["probabilities"].to_numpy())
    assert (probabilities.argmax(1) == np.arange(N) % len(NAMES)).mean() > 0.8


def test_arrays_are_trained_on() -> None:
    vectors, labels = blobs(N)
    given = np.where(np.random.default_rng(0).random(N) < 0.3, "ant", labels)
    own = {name: values for name, values in SETTINGS.items() if name != "noise"}
    trained = codim.train(vectors, given, settings=merge(own, {"optim": {"lr": 0.02}}))
    assert (trained.predict(vectors) == labels).mean() > 0.9
    assert "embeddings" in repr(trained)
    with pytest.raises(ValueError, match="embeddings: row 3 holds NaN or infinity"):
        codim.train(np.where(np.arange(N)[:, None] == 3, np.inf, vectors), given)
