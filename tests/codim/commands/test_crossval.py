"""Out-of-fold predictions: no image is predicted by networks that saw its label; the file holds what it says."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from codim.__main__ import main
from codim.commands import crossval
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.data.splits import stratified_folds
from codim.training import session
from codim.training.state import TrainState

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]


def test_no_image_is_predicted_by_networks_that_saw_it(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    run, predict = session.run_epochs, session.predict

    def watched(config: TrainConfig, data: TrainingData, state: TrainState) -> Iterator[Any]:
        seen.append(data.train_index)
        yield from run(config, data, state)

    def checked(networks: Any, images: Any, augmenter: Any, index: Tensor) -> Tensor:
        assert not set(index.tolist()) & set(seen[-1].tolist())
        assert len(index) + len(seen[-1]) == len(images)
        return predict(networks, images, augmenter, index)

    monkeypatch.setattr(session, "run_epochs", watched)
    monkeypatch.setattr(session, "predict", checked)
    config, data = tiny({"method": "ce", "warmup": {"epochs": 8}, "noise": {"kind": "none"}})
    found = crossval.out_of_fold(config, data, torch.arange(len(data.images)), 3)
    assert len(seen) == 3
    assert found.sum(2).numpy() == pytest.approx(np.ones((2, len(data.images))), abs=1e-5)
    assert (found.mean(0).argmax(1) == data.labels).float().mean() > 0.3  # each row is its own image's


def test_folds_are_even_in_every_class() -> None:
    labels = np.random.default_rng(0).integers(5, size=203)
    fold = stratified_folds(labels, 4, 0)
    assert np.ptp(np.bincount(fold)) <= 1
    for k in range(5):
        assert np.ptp(np.bincount(fold[labels == k], minlength=4)) <= 1
    assert (fold == stratified_folds(labels, 4, 0)).all()
    assert (fold != stratified_folds(labels, 4, 1)).any()


def test_the_command_writes_one_row_an_image(
    few_digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"network": {"width": 4}, "warmup": {"epochs": 1}, "noise": {"kind": "symmetric", "rate": 0.4}}
    (tmp_path / "train.json").write_text(json.dumps(settings))
    output = tmp_path / "new" / "predictions.parquet"
    monkeypatch.setattr(
        "sys.argv", ["codim", "crossval", "--config", str(tmp_path / "train.json"), "--output", str(output)]
    )
    assert main() == 0
    table = pq.read_table(output)
    assert table["index"].to_pylist() == list(range(len(few_digits.images)))
    assert json.loads(table.schema.metadata[b"classes"]) == [str(k) for k in range(10)]
    assert (table["given_label"].to_numpy() != few_digits.labels).mean() == pytest.approx(0.36, abs=0.1)
    assert 0 < table["agree"].to_numpy().mean() < 1
    assert str(output) in capsys.readouterr().out


def test_one_fold_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["codim", "crossval", "--folds", "1"])
    assert main() == 2
    assert "--folds: 1; allowed: 2 or more" in capsys.readouterr().err
