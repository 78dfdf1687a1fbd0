"""Own images: folders and tables, and what is said where they do not fit."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from codim.config.auto import Counts
from codim.config.train_config import TrainConfig, merge, train_config
from codim.data.augment import Augmenter
from codim.data.counts import count_images, with_counts
from codim.data.images.image_cache import CachedImages
from codim.data.load import load_data
from codim.evaluation.observer import Observer
from codim.noise.base import NoNoise
from codim.training.loop import run_epochs
from codim.training.state import TrainState
from tests.support.loading import levels, load
from tests.support.pictures import save_plain, write_lines


def write_tree(root: Path, *names: str) -> None:
    """The i-th image has level i."""
    for i, name in enumerate(names):
        save_plain(root / name, i)


def test_a_folder_per_class_is_all_for_training(tmp_path: Path) -> None:
    write_tree(
        tmp_path, "dog/b.png", "cat/z.png", "dog/A.PNG.png", "cat/deep/er.png", "dog/.hidden.png", ".trash/a.png"
    )
    write_lines(tmp_path / "cat" / "notes.txt", "not an image")
    source = load("folder", tmp_path)
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [0, 0, 1, 1]
    assert levels(source.images) == [3, 1, 2, 0]
    assert len(source.test_images) == len(source.test_labels) == 0
    assert source.val_images is None
    assert not source.truth_known
    assert len(load("folder", tmp_path).images) == 4, "the cache is no class"


def test_folders_of_parts(tmp_path: Path) -> None:
    write_tree(tmp_path, "train/b/0.png", "train/a/1.png", "test/b/2.png", "test/b/3.png", "val/a/4.png")
    source = load("folder", tmp_path, validation="official")
    assert source.classes == ("a", "b")
    assert (source.labels.tolist(), levels(source.images)) == ([0, 1], [1, 0])
    assert (source.test_labels.tolist(), levels(source.test_images)) == ([1, 1], [2, 3])
    assert source.val_labels is not None
    assert (source.val_labels.tolist(), levels(source.val_images)) == ([0], [4])


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    write_tree(tmp_path, "train/0.png", "plane/1.png", "test/2.png")
    assert load("folder", tmp_path).classes == ("plane", "test", "train")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/0.png"], r"the training part has 1 classes \['a'\]"),
        (["a/0.png", "b/0.txt"], r"/b holds no image; allowed suffixes: \.jpg"),
        (["train/a/0.png", "train/b/0.png", "test/c/0.png"], r"test/c/0\.png: no training image has the label 'c'"),
        (["train/a/0.png", "train/b/0.png", "val/a/0.png"], "1 images are marked as validation .*validation: official"),
        ([], "is not a folder"),
    ],
    ids=["one_class", "empty_class", "new_class", "unused_validation_part", "no_folder"],
)
def test_faults_of_folders_are_named(tmp_path: Path, names: list[str], message: str) -> None:
    root = tmp_path / "own"
    for name in names:
        save_plain(root / name, 0) if name.endswith(".png") else write_lines(root / name, "text")
    with pytest.raises(ValueError, match=message):
        load("folder", root)


def write_table(path: Path, /, **columns: Any) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.table(columns), path)
    else:
        rows = zip(*columns.values(), strict=True)
        write_lines(path, *(",".join("" if v is None else str(v) for v in row) for row in [tuple(columns), *rows]))
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table(tmp_path: Path, suffix: str) -> None:
    """Paths from the table's folder, or absolute; order as in the table."""
    write_tree(tmp_path / "pictures", "0.png", "1.png", "2.png", "3.png", "4.png")
    paths = ["pictures/3.png", str(tmp_path / "pictures/0.png"), "pictures/1.png", "pictures/2.png", "pictures/4.png"]
    columns = {"note": ["", "x", "", "", ""], "path": paths, "label": ["dog", "cat", "dog", "dog", "cat"]}
    path = write_table(tmp_path / f"own.{suffix}", **columns)
    source = load("table", path)
    assert source.classes == ("cat", "dog")
    assert (source.labels.tolist(), levels(source.images)) == ([1, 0, 1, 1, 0], [3, 0, 1, 2, 4])
    write_table(path, **columns, split=["train", "test", "val", "train", "train"])
    source = load("table", path, validation="official")
    assert (source.labels.tolist(), levels(source.images)) == ([1, 1, 0], [3, 2, 4])
    assert (source.test_labels.tolist(), levels(source.test_images)) == ([0], [0])
    assert levels(source.val_images) == [1]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([10, 9, 2, 10], ("2", "9", "10")),
        (["10", "9", "x", "10"], ("10", "9", "x")),
        ([-1, 0, 1, 0], ("-1", "0", "1")),
    ],
)
def test_labels_by_name_or_number(tmp_path: Path, suffix: str, labels: list[Any], classes: tuple[str, ...]) -> None:
    path = write_table(tmp_path / f"own.{suffix}", path=["a", "b", "c", "d"], label=labels)
    source = load("table", path)
    assert source.classes == classes
    assert [source.classes[k] for k in source.labels] == [str(label) for label in labels]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a", "b"], "label": ["x", None]}, "row 2: label is empty"),
        ({"path": ["a", ""], "label": ["x", "y"]}, "row 2: path is empty"),
        (
            {"path": ["a", "b"], "label": ["x", "y"], "split": ["train", "later"]},
            "row 2: split is 'later'; .* val, test",
        ),
        (
            {"path": ["a", "b", "c"], "label": ["x", "y", "z"], "split": ["train", "train", "test"]},
            "row 3: no training",
        ),
        (
            {"path": ["a", "b", "a"], "label": ["x", "y", "y"], "split": ["train", "train", "test"]},
            "row 1: a is in 2",
        ),
        ({"file": ["a", "b"], "label": ["x", "y"]}, "has no column path; found: file, label"),
        ({"path": ["a", "b"], "label": ["x", "x"]}, "has 1 classes"),
    ],
    ids=["no_label", "no_path", "split", "new_class", "two_parts", "columns", "one_class"],
)
def test_faults_of_tables_are_named(tmp_path: Path, suffix: str, columns: dict[str, Any], message: str) -> None:
    path = write_table(tmp_path / f"own.{suffix}", **columns)
    with pytest.raises(ValueError, match=message) as error:
        load("table", path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_files_that_are_no_tables_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own.{suffix}"
    path.write_bytes(b"\x00\x01")
    with pytest.raises(ValueError, match=rf"own\.{suffix}"):
        load("table", path)


@pytest.mark.parametrize("name", ["folder", "table"])
def test_own_data_need_a_place(name: str) -> None:
    with pytest.raises(ValueError, match=f"data/root is missing: {name} needs"):
        with_counts({"data": {"name": name}}, gpu=False)


def test_images_are_counted_and_measured_without_decoding_them(tmp_path: Path) -> None:
    """Of damaged ones nothing is said yet; a folder may be called auto."""
    root = tmp_path / "auto"
    for k, name in enumerate("ab"):
        for i in range(24):
            save_plain(root / name / f"{i}.png", 60 + 120 * k + i, width=60, height=40)
    (root / "a" / "damaged.png").write_text("none")
    settings = {"data": {"name": "folder", "root": str(root)}}
    assert count_images(settings, gpu=False) == Counts(49, 39, 40, False)
    assert count_images(settings | {"data": settings["data"] | {"val_fraction": 0.5}}, gpu=True) == Counts(
        49, 25, 40, True
    )
    config = train_config(with_counts(settings, gpu=False))
    assert (config.data.cache_size, config.augment.crop_padding) == (40, 5)


def test_a_training_without_test_part_and_truth(tmp_path: Path) -> None:
    """Through all stages: what nobody knows is NaN, and nothing breaks."""
    for k, name in enumerate("ab"):
        for i in range(24):
            save_plain(tmp_path / name / f"{i}.png", 60 + 120 * k + i)
    settings: dict[str, Any] = {
        "data": {"name": "folder", "root": str(tmp_path), "cache_size": 16, "subset": 40},
        "network": {"name": "small_cnn", "width": 4, "projection_dim": 8},
        "augment": {"size": 8, "crop_padding": 1},
        "pretrain": {"epochs": 1, "batch_size": 16},
        "warmup": {"epochs": 1},
        "mixmatch": {"rampup_epochs": 0},
        "train": {"samples": 300, "batch_size": 8, "device": "cpu"},
    }
    made = train_config(merge(settings, {"method": "codim-sup"}))
    assert TrainConfig.model_validate(made.model_dump(mode="json")) == made
    data, truth = load_data(made.data, NoNoise())
    assert isinstance(data.images, CachedImages)
    assert data.images.shape == (40, 3, 16, 16)
    state = TrainState.create(made, data)
    observer = Observer(data, truth, Augmenter.fit(made.augment, data.images))
    phases = set()
    for metrics in run_epochs(made, data, state):
        phases.add(metrics.phase)
        if state.evaluation is not None:
            seen = observer.measure(state.networks, state.evaluation, state.divisions)
            assert seen.oracle_test_acc != seen.oracle_test_acc
            assert seen.oracle_memorised != seen.oracle_memorised
            assert metrics.val_acc == metrics.val_acc
    assert phases == {"pretrain", "warmup", "cotrain"}
    in_memory = TrainState.create(made, data)
    held = type(data)(data.images[:], data.labels, data.train_index, data.val_index, data.classes)
    list(run_epochs(made, held, in_memory))
    for a, b in zip(state.networks, in_memory.networks, strict=True):
        for own, other in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
            assert torch.equal(own, other), "a cache and a tensor of the same images train alike"
