"""`codim.train` on arrays: it predicts, finds wrong labels, keeps to its time, and refuses what it cannot use."""

import csv
import json
import math
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

import codim
from codim import estimator
from codim.config.budget import Speed
from codim.estimator import Training

N, TEST = 800, 100
TINY: dict[str, Any] = {"train": {"samples": 256}, "network": {"name": "small_cnn", "width": 4}}
SHORT = {"train": {"samples": 14_000}, "warmup": {"epochs": 4}, "mixmatch": {"rampup_epochs": 2}}


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return (load_digits().images[: N + TEST] * 15).astype(np.uint8)


@pytest.fixture(scope="module")
def true() -> NDArray[np.str_]:
    return np.array([f"digit {k}" for k in load_digits().target[: N + TEST]])


@pytest.fixture(scope="module")
def given(true: NDArray[np.str_]) -> NDArray[np.str_]:
    rng = np.random.default_rng(0)
    return np.where(rng.random(len(true)) < 0.2, rng.permutation(true), true)


@pytest.fixture(scope="module")
def trained(images: NDArray[np.uint8], given: NDArray[np.str_]) -> Training:
    return codim.train(images[:N], given[:N], method="dividemix", settings=SHORT)


def test_it_predicts_classes_by_name(trained: Training, images: NDArray[np.uint8], true: NDArray[np.str_]) -> None:
    found, probability = trained.predict(images[N:]), trained.predict_proba(images[N:])
    assert (found == true[N:]).mean() > 0.8
    assert probability.shape == (TEST, 10)
    assert probability.sum(1) == pytest.approx(1, abs=1e-5)
    assert list(trained.classes[probability.argmax(1)]) == list(found)
    colour = np.repeat(images[N:, :, :, None], 3, axis=3)
    assert trained.predict(images[:0]).shape == (0,)
    with pytest.raises(ValueError, match=r"images: \[8, 8\] pixels, 3 channels; allowed: \[8, 8\], 1"):
        trained.predict(colour)


def test_the_audit_names_wrong_labels_first(trained: Training, true: NDArray[np.str_], given: NDArray[np.str_]) -> None:
    found = trained.audit()
    first = found["index"].head(30)
    assert (true[first] != given[first]).mean() > 0.9
    assert list(found["given_label"].head(30)) == list(given[first])
    assert found["rank"].is_monotonic_increasing


@pytest.mark.parametrize("kind", [int, bool, str])
def test_labels_keep_their_type(kind: type, images: NDArray[np.uint8]) -> None:
    """As an array, as a data frame's column, and as a list."""
    labels = np.array([kind(k % 2) for k in load_digits().target[:60]])
    trained = codim.train(images[:60], pd.Series(labels), method="ce", settings=TINY)
    assert trained.classes.dtype == labels.dtype
    assert trained.predict(images[:5]).dtype == labels.dtype
    assert set(map(type, trained.audit()["given_label"])) <= {kind}
    again = codim.train(images[:60], labels.tolist(), method="ce", settings=TINY)
    assert (again.predict_proba(images[:5]) == trained.predict_proba(images[:5])).all()


def test_photos_are_cut_to_the_central_square(images: NDArray[np.uint8]) -> None:
    """It is resized: all of it counts, and nothing beside it."""
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (24, 100, 150, 3), dtype=np.uint8)
    trained = codim.train(photos, [0, 1] * 12, method="ce", settings=TINY)
    before = trained.predict_proba(photos)
    beside, corner = photos.copy(), photos.copy()
    beside[:, :, :20] = 0
    corner[:, :20, 25:50] = 0
    assert (trained.predict_proba(beside) == before).all()
    assert (trained.predict_proba(corner) != before).any()
    assert trained.predict_proba(photos[:, :, 25:125]) == pytest.approx(before, abs=0.05)


def test_the_callers_arrays_and_settings_stay_his_own(images: NDArray[np.uint8]) -> None:
    mine, labels, settings = images[:60].copy(), load_digits().target[:60].copy(), deepcopy(TINY)
    trained = codim.train(mine, labels, method="ce", settings=settings)
    held = trained.session.data.images.clone()
    mine[:] = 0
    assert settings == TINY
    assert (trained.session.data.images == held).all()


def test_without_a_held_out_part_nothing_is_said_of_it(images: NDArray[np.uint8]) -> None:
    settings = TINY | {"data": {"val_fraction": 0}}
    trained = codim.train(images[:60], load_digits().target[:60], method="ce", settings=settings)
    assert "nan" not in trained._repr_html_()
    assert "held-out" not in repr(trained)


@pytest.mark.parametrize("more", [[], ["--minutes", "1"]])
def test_the_commands_cannot_load_what_was_in_memory(more: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "codim", "--data", "arrays", "--output", str(tmp_path / "out"), *more]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "in the memory of a program that calls codim.train; allowed" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_the_names_are_offered() -> None:
    assert {"train", "Training"} <= set(dir(codim))


def test_epochs_are_a_table_and_a_picture(trained: Training) -> None:
    epochs = trained.epochs
    assert list(epochs["epoch"]) == list(range(len(epochs)))
    assert 0 <= epochs["samples"].iloc[-1] - trained.session.config.train.samples < 2 * 16  # the last step is whole
    assert not any(name.startswith("oracle") for name in epochs)
    html = trained._repr_html_()
    assert html.count("<polyline") == 1
    assert len(html.split('points="')[1].split('"')[0].split()) == epochs["val_acc"].notna().sum()
    assert "500 images" not in repr(trained)  # a fifth is held out
    assert "10 classes" in repr(trained)


def test_the_commands_read_what_it_saved(trained: Training, images: NDArray[np.uint8], tmp_path: Path) -> None:
    folder = trained.save(tmp_path / "mine")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == len(trained.epochs)
    (tmp_path / "photos").mkdir()
    for i, image in enumerate(images[N : N + 5]):
        Image.fromarray(image).save(tmp_path / "photos" / f"{i}.png")
    command = [sys.executable, "-m", "codim", "predict", "--checkpoint", folder, "--images", tmp_path / "photos"]
    subprocess.run([*map(str, command), "--output", str(tmp_path / "found.csv")], check=True, capture_output=True)
    with (tmp_path / "found.csv").open(newline="") as file:
        assert [row["class"] for row in csv.DictReader(file)] == list(trained.predict(images[N : N + 5]))


def test_it_keeps_to_its_time(
    images: NDArray[np.uint8], given: NDArray[np.str_], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A longer time has room for more samples."""
    monkeypatch.setattr(estimator, "measure_speed", lambda *_: Speed(0, 1e-3, 0, 0))
    short, long = (
        codim.train(images[:200], given[:200], method="ce", minutes=m).session.config.train.samples for m in (0.1, 0.2)
    )
    assert 5_000 < short <= 6_000
    assert long == pytest.approx(2 * short, rel=0.1)


@pytest.mark.parametrize("validation", ["split", "trusted"])
def test_trusted_labels_are_kept_or_held_out(
    validation: str, images: NDArray[np.uint8], given: NDArray[np.str_]
) -> None:
    trusted = np.arange(N) % 10 == 0
    found = codim.train(
        images[:N],
        given[:N],
        method="dividemix",
        trusted=trusted,
        settings=TINY | {"data": {"validation": validation}, "warmup": {"epochs": 1}, "train": {"samples": 2_400}},
    )
    if validation == "trusted":
        assert found.session.data.val_index.tolist() == trusted.nonzero()[0].tolist()
    assert (found.audit_table()["clean_probability"].to_numpy()[trusted] == 1).all()
    for division in found.session.state.divisions:
        kept = torch.from_numpy(trusted)[division.index]
        assert division.labelled[kept].all()
        assert kept.any() == (validation == "split")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 8, 8))}, "images: values of type float64; allowed: uint8"),
        ({"images": np.zeros((4, 2, 8, 8), np.uint8)}, r"images: an array of shape \(4, 2, 8, 8\); allowed"),
        ({"images": np.zeros((0, 8, 8), np.uint8), "labels": []}, "labels: shape"),
        ({"labels": [0, 1, 0]}, "images, labels: 4 and 3"),
        ({"labels": ["a", "b", math.nan, "a"]}, "labels: shape .* object; allowed"),
        ({"labels": [1, "b", 1, "b"]}, "labels: shape .* object; allowed"),
        ({"labels": [b"a", b"b", b"a", b"b"]}, "labels: shape .* object; allowed"),
        ({"labels": [0, 0, 0, 0]}, "labels: 1 class; allowed: two or more"),
        ({"labels": [[0], [1], [0], [1]]}, r"labels: shape \(4, 1\)"),
        ({"labels": np.array([0.5, 1, 0, 1])}, "labels: shape .* float64; allowed"),
        ({"method": "magic"}, "magic"),
        ({"settings": {"optim": {"lr": -1}}}, "optim/lr"),
        ({"settings": {"method": "ce"}}, "the method is an argument"),
        ({"settings": [1]}, "settings: must be"),
        ({"settings": {"train": {"seed": 7}}}, "settings: train/seed follows from the arguments"),
        ({"settings": {"data": {"subset": 2}}}, "settings: data/subset follows"),
        ({"settings": {"data": {"trusted": "x.npy"}}}, "settings: data/trusted follows"),
        ({"settings": {"data": {"trusted_per_class": 1}}}, "settings: data/trusted_per_class follows"),
        ({"settings": {"data": {"validation": "official"}}}, "data/validation is 'official'; allowed: split, trusted"),
        ({"settings": {"data": {"validation": "trusted"}}}, "data/validation: 'trusted', but no image is"),
        ({"trusted": [True]}, r"trusted: shape \(1,\), type bool; allowed: None, or \(4,\) booleans"),
        ({"trusted": [0, 1, 2, 3]}, "trusted: shape .* type int64; allowed"),
        ({"trusted": [True] * 4}, "all images are trusted; allowed: some that are not"),
        ({"settings": {"noise": {"kind": "symmetric"}}}, "settings: noise/kind follows"),
        ({"minutes": 0}, "minutes: 0; allowed: a number above 0"),
        ({"minutes": 5, "settings": {"train": {"samples": 9_000}}}, "allowed: one of the two"),
    ],
)
def test_what_cannot_be_used_is_told(change: dict[str, Any], message: str) -> None:
    usable: dict[str, Any] = {"images": np.zeros((4, 8, 8), np.uint8), "labels": [0, 1, 0, 1]}
    with pytest.raises(ValueError, match=message):
        codim.train(**(usable | change))
