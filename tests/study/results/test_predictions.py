"""Predictions as text, beside the epochs of a trial."""

from pathlib import Path

import numpy as np
import pytest

from study.results.folder import ResultsFolder
from study.results.predictions import SCALE, decode, encode
from tests.support.synthetic import record


@pytest.fixture
def text() -> str:
    rng = np.random.default_rng(0)
    return encode(rng.dirichlet([0.2] * 10, 40), rng.integers(10, size=40))


def test_as_encoded(text: str) -> None:
    rng = np.random.default_rng(0)
    found = decode(text)
    assert found.probability / SCALE == pytest.approx(rng.dirichlet([0.2] * 10, 40), abs=0.5 / SCALE + 1e-12)
    assert found.labels.tolist() == rng.integers(10, size=40).tolist()


def test_they_lie_beside_the_epochs_of_their_trial(text: str, tmp_path: Path) -> None:
    folder, ended = ResultsFolder(tmp_path), record("symmetric-0.5", 0, 0.7)
    assert folder.read_predictions(ended.trial) is None
    folder.write_epochs(ended.trial, [], ended)
    assert folder.read_predictions(ended.trial) is None
    folder.write_epochs(ended.trial, [], ended, text)
    found = folder.read_predictions(ended.trial)
    assert found is not None
    assert found.labels.tolist() == decode(text).labels.tolist()
    assert repr(folder.read_trials()) == repr([ended])


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_damaged_ones_are_told_with_their_file(cut: int, text: str, tmp_path: Path) -> None:
    folder, ended = ResultsFolder(tmp_path), record("symmetric-0.5", 0, 0.7)
    folder.write_epochs(ended.trial, [], ended, text[:-cut])
    with pytest.raises(ValueError, match=rf"{ended.trial}\.parquet is damaged"):
        folder.read_predictions(ended.trial)
