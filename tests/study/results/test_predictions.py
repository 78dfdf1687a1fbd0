"""Predictions as text, beside the epochs of a trial."""

import base64
import contextlib
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.results.folder import ResultsFolder
from study.results.predictions import HEAD, LIMIT, MOST, SCALE, decode, encode, kept, text_bytes
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


def test_the_text_is_no_longer_than_told() -> None:
    rng = np.random.default_rng(0)
    for images, classes in ((1_000, 10), (50, 200)):
        noise = rng.integers(256, size=(images, classes)) / SCALE
        text = encode(noise, rng.integers(classes, size=images))
        assert text_bytes(images, classes) / 2 < len(text) < text_bytes(images, classes) + 100
    assert kept(5_000, 100) == 5_000
    assert kept(10**9, 1_000) * 1_000 <= MOST
    assert text_bytes(10**9, 1_000) == text_bytes(kept(10**9, 1_000), 1_000)


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


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_found_or_does_no_harm(place: int, value: int) -> None:
    rng = np.random.default_rng(0)
    content = bytearray(base64.b64decode(encode(rng.dirichlet([0.2] * 10, 40), rng.integers(10, size=40))))
    content[place % len(content)] = value
    with contextlib.suppress(ValueError):
        found = decode(base64.b64encode(content).decode())
        assert found.probability.shape == (40, 10)
        assert found.labels.max() < 10


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEAD.pack(1, 2) + bytes([255, 0]) + (2).to_bytes(4, "little"), "label 2; allowed: 0 to 1"),
        (HEAD.pack(2, 2) + bytes(4), "cut or too long"),
        (HEAD.pack(0, 2) + bytes(9), "cut or too long"),
        (bytes(LIMIT + 1), "cut or too long"),
        (b"", "unpack_from requires"),
    ],
)
def test_foreign_ones_are_refused(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        decode(base64.b64encode(zlib.compress(content)).decode())


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_damaged_ones_are_told_with_their_file(cut: int, text: str, tmp_path: Path) -> None:
    folder, ended = ResultsFolder(tmp_path), record("symmetric-0.5", 0, 0.7)
    folder.write_epochs(ended.trial, [], ended, text[:-cut])
    with pytest.raises(ValueError, match=rf"{ended.trial}\.parquet is damaged"):
        folder.read_predictions(ended.trial)
