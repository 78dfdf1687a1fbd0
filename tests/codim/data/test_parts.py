"""Folders that are parts, or classes, or nobody knows; an image in several of them."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codim.config.data import DataConfig
from codim.data.load import load_data
from codim.data.own_files import folder_images, table_images
from codim.data.splits import stratified_folds, stratified_split
from codim.noise.base import NoNoise
from tests.support.loading import load
from tests.support.pictures import save_plain

ANIMALS = ("cat", "dog", "owl")


def plant(root: Path, *folders: str, classes: tuple[str, ...] = ANIMALS) -> None:
    for i, (folder, name) in enumerate(product(folders, classes)):
        save_plain(root / folder / name / f"{i}.png", i)


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING"])
@pytest.mark.parametrize("val", ["val", "Valid", "validation", "DEV"])
@pytest.mark.parametrize("test", ["test", "Testing"])
def test_parts_in_any_usual_spelling(tmp_path: Path, train: str, val: str, test: str) -> None:
    plant(tmp_path, train, val, test)
    found = folder_images(tmp_path)
    assert found.classes == ANIMALS
    assert {part: [row.path.split("/")[0] for row in rows] for part, rows in found.rows.items()} == {
        "train": [train] * 3,
        "val": [val] * 3,
        "test": [test] * 3,
    }


@pytest.mark.parametrize(
    "folders",
    [("train", "test", "extra-val"), ("train_set", "test_set"), ("fold1", "fold2", "fold3"), ("val", "test")],
)
def test_folders_that_hold_the_same_classes_are_asked_about(tmp_path: Path, folders: tuple[str, ...]) -> None:
    plant(tmp_path, *folders)
    with pytest.raises(
        ValueError, match=r"contain the same folders \(cat, dog, owl\): are these parts .* or classes\?"
    ):
        folder_images(tmp_path)


def test_a_part_with_fewer_classes_beside_another_folder_is_asked_about(tmp_path: Path) -> None:
    plant(tmp_path, "train", "more")
    plant(tmp_path, "test", classes=("owl",))
    with pytest.raises(ValueError, match="are these parts of the data, or classes"):
        folder_images(tmp_path)


def test_hidden_files_make_no_classes_of_parts(tmp_path: Path) -> None:
    plant(tmp_path, "train_set", "test_set")
    save_plain(tmp_path / "train_set" / "._0.png", 0)
    with pytest.raises(ValueError, match="are these parts of the data, or classes"):
        folder_images(tmp_path)


def test_two_folders_of_one_part_are_refused(tmp_path: Path) -> None:
    plant(tmp_path, "train", "Training")
    with pytest.raises(ValueError, match="are both the part called train; allowed: one"):
        folder_images(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("train/steam/0.png", "plane/jet/1.png"),
        ("cat/images/0.png", "dog/images/1.png"),
        ("train/cat/images/0.png", "train/dog/images/1.png"),
        ("cat/2019/0.png", "cat/2020/1.png", "dog/2.png"),
    ],
)
def test_folders_within_classes_are_no_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        save_plain(tmp_path / name, i)
    assert len(folder_images(tmp_path).rows["train"]) == len(names)


def write_rows(root: Path, *rows: str) -> Path:
    path = root / "labels.csv"
    path.write_text("path,label,split\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "spelling", ["a.png", "./a.png", "x/../a.png", "ABSOLUTE", ".//a.png", "link.png", "way/a.png"]
)
def test_an_image_stands_in_one_part_however_it_is_spelt(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "x").mkdir()
    save_plain(tmp_path / "a.png", 0)
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "way").symlink_to(tmp_path)
    path = spelling.replace("ABSOLUTE", str(tmp_path / "a.png"))
    with pytest.raises(ValueError, match=r"is in 2 parts; allowed: one \(the other: .*row"):
        table_images(write_rows(tmp_path, "a.png,cat,train", "b.png,dog,train", f"{path},cat,Testing"))
    rows = table_images(write_rows(tmp_path, "a.png,cat,train", "b.png,dog,train", f"{path},dog,train")).rows["train"]
    assert [row.path for row in rows] == ["a.png", "b.png", "a.png"]
    assert [row.label for row in rows] == ["cat", "dog", "dog"]


def test_an_image_that_stands_several_times_is_decoded_once_and_never_split(tmp_path: Path) -> None:
    for i in range(8):
        save_plain(tmp_path / f"{i}.png", 30 * i)
    path = write_rows(tmp_path, *(f"{i % 8}.png,{'ab'[i % 2]},train" for i in range(40)))
    data, _ = load_data(DataConfig(name="table", root=path, cache_size=8, val_fraction=0.4), NoNoise())
    level = data.images[:][:, 0, 0, 0]
    assert len(data.images) == 40
    assert len(data.val_index) == 20
    assert not set(level[data.train_index].tolist()) & set(level[data.val_index].tolist())
    assert len(load("table", path).images.cache.names) == 8  # type: ignore[union-attr]


@given(
    rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=40),
    share=st.floats(0, 0.9),
    seed=st.integers(0, 5),
)
def test_all_rows_of_an_image_stay_together(rows: list[tuple[int, int]], share: float, seed: int) -> None:
    images, labels = np.array(rows).T
    train, val = stratified_split(labels, share, seed, images)
    assert sorted([*train, *val]) == list(range(len(rows)))
    assert not set(images[train]) & set(images[val])
    assert set(labels[train]) == set(labels), "every class is trained on"
    fold = stratified_folds(labels, 3, seed, images)
    assert all(len(set(fold[images == image])) == 1 for image in images)


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=40), seed=st.integers(0, 5))
def test_images_that_stand_once_are_split_as_ever(labels: list[int], seed: int) -> None:
    given_labels, once = np.array(labels), np.arange(len(labels))[::-1]
    for part, expected in zip(
        stratified_split(given_labels, 0.3, seed, once), stratified_split(given_labels, 0.3, seed), strict=True
    ):
        assert np.array_equal(part, expected)
    assert np.array_equal(stratified_folds(given_labels, 3, seed, once), stratified_folds(given_labels, 3, seed))
