"""Labels from files: every format, every fault, and nothing in a file is executed."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codim.noise.file import FileNoise
from codim.noise.kinds import NOISE_ADAPTER
from codim.noise.transition import Labels

TRUE = np.array([0, 1, 2, 2, 1])
GIVEN = np.array([0, 2, 2, 1, 1])
OTHER = np.array([1, 1, 1, 1, 1])
NO_IMAGES = np.zeros((0, 1, 1, 1), dtype=np.uint8)


def read(path: Path, key: str | None = None, true: Labels = TRUE, num_classes: int = 3) -> Labels:
    return FileNoise(path=path, key=key).apply(true, num_classes, NO_IMAGES)


def write(path: Path, **columns: Any) -> Path:
    """The named columns in the format that the suffix names."""
    if path.suffix == ".npz":
        np.savez(path, **columns)
    elif path.suffix == ".pt":
        torch.save(columns, path)
    elif path.suffix == ".json":
        path.write_text(json.dumps({name: np.asarray(column).tolist() for name, column in columns.items()}))
    else:
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join(",".join(map(str, row)) for row in [tuple(columns), *rows]) + "\n")
    return path


def write_one(path: Path, column: Any) -> Path:
    """A single array, unnamed where the format allows it."""
    if path.suffix == ".npy":
        np.save(path, column)
    elif path.suffix == ".json":
        path.write_text(json.dumps(np.asarray(column).tolist()))
    elif path.suffix == ".pt":
        torch.save(column, path)
    else:
        write(path, labels=column)
    return path


NAMED = [".npz", ".pt", ".json", ".csv"]
ALL = [".npy", *NAMED]


@pytest.mark.parametrize("suffix", ALL)
def test_a_single_array_needs_no_key(tmp_path: Path, suffix: str) -> None:
    found = read(write_one(tmp_path / f"labels{suffix}", GIVEN))
    assert np.array_equal(found, GIVEN)
    assert found.dtype == np.int64


@pytest.mark.parametrize("suffix", NAMED)
def test_a_key_chooses_among_several(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"labels{suffix}", given=GIVEN, other=OTHER)
    assert np.array_equal(read(path, "given"), GIVEN)
    assert np.array_equal(read(path, "other"), OTHER)
    for key in (None, "worse"):
        with pytest.raises(ValueError, match=rf"labels{suffix}.*{key}.*given, other"):
            read(path, key)


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize(
    ("column", "message"),
    [
        (GIVEN[:-1], r"shape \(4,\).*needs \(5,\)"),
        (GIVEN[:, None].repeat(2, 1), "shape|cannot be read|integers"),
        (GIVEN + 1, "run from 1 to 3, allowed: 0 to 2"),
        (GIVEN - 1, "run from -1 to 1"),
        (GIVEN + 0.5, "must be integers"),
        (GIVEN.astype(float), "must be integers"),
        (GIVEN.astype(str), "must be integers|cannot be read"),
    ],
    ids=["short", "two_columns", "too_large", "negative", "fractions", "floats", "text"],
)
def test_unfit_labels_are_refused_by_name(tmp_path: Path, suffix: str, column: Any, message: str) -> None:
    if suffix == ".csv" and column.dtype.kind == "U":
        pytest.skip("text is all that a .csv has")
    path = write_one(tmp_path / f"labels{suffix}", column)
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("content", [b"", b"not labels", b"PK\x03\x04", b"\x80\x04\x95"])
def test_damaged_files_are_refused_by_name(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"labels{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name):
        read(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt"])
def test_truncated_files_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    path = write_one(tmp_path / f"labels{suffix}", GIVEN)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=path.name):
        read(path)


def test_a_column_index_must_be_in_order(tmp_path: Path) -> None:
    labels = np.array([0, 1, 2])
    (tmp_path / "right.csv").write_text("index,label\n0,2\n1,1\n2,0\n")
    assert FileNoise(path=tmp_path / "right.csv").apply(labels, 3, NO_IMAGES).tolist() == [2, 1, 0]
    (tmp_path / "wrong.csv").write_text("index,label\n2,0\n1,1\n0,2\n")
    with pytest.raises(ValueError, match=r"wrong.csv: its index must run 0, 1, 2, ... to 2"):
        FileNoise(path=tmp_path / "wrong.csv", key="label").apply(labels, 3, NO_IMAGES)


@pytest.mark.parametrize("suffix", NAMED)
@pytest.mark.parametrize("name", ["index", "Index", " INDEX ", "\ufeffindex"])
def test_the_order_is_checked_however_its_column_is_spelt(tmp_path: Path, suffix: str, name: str) -> None:
    right, wrong = (tmp_path / f"{kind}{suffix}" for kind in ("right", "wrong"))
    write(right, **{name: np.arange(5), " Label": GIVEN})
    assert np.array_equal(read(right), GIVEN)
    assert np.array_equal(read(right, "label"), GIVEN)
    write(wrong, **{name: np.arange(5)[::-1], " Label": GIVEN})
    with pytest.raises(ValueError, match=r"its index must run 0, 1, 2"):
        read(wrong, "label")
    write(wrong, **{"Clean_Label ": OTHER, "label": GIVEN})
    with pytest.raises(ValueError, match="its clean_label differs"):
        read(wrong, "LABEL")


@pytest.mark.parametrize("suffix", NAMED)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"labels{suffix}", label=GIVEN, **{"Label ": OTHER})
    with pytest.raises(ValueError, match=r"labels.*(two of its names are the same|appears twice)"):
        read(path, "label")


def test_a_key_that_stands_twice_in_a_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{"label": [0, 1], "label": [1, 0]}')
    with pytest.raises(ValueError, match="the key 'label' appears twice"):
        read(tmp_path / "labels.json")


@pytest.mark.parametrize("suffix", NAMED)
def test_clean_labels_in_a_file_must_be_those_of_the_data(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"labels{suffix}", clean_label=TRUE, noisy_label=GIVEN)
    assert np.array_equal(read(path, "noisy_label"), GIVEN)
    with pytest.raises(ValueError, match=rf"labels{suffix}.*clean_label differs .* at 2 of 5 images.*another order"):
        read(path, "noisy_label", true=TRUE[[1, 0, 2, 3, 4]])


def test_a_missing_file_or_a_strange_suffix_is_refused_with_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.npy does not exist"):
        FileNoise(path=tmp_path / "absent.npy")
    (tmp_path / "labels.txt").touch()
    with pytest.raises(ValueError, match=r"suffix must be one of \.npy, \.npz, \.json, \.pt, \.csv"):
        NOISE_ADAPTER.validate_python({"kind": "file", "path": tmp_path / "labels.txt"})


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "uint16"])
@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_any_integer_type_will_do(tmp_path: Path, suffix: str, dtype: str) -> None:
    assert np.array_equal(read(write_one(tmp_path / f"labels{suffix}", GIVEN.astype(dtype))), GIVEN)


@pytest.mark.parametrize("content", [torch.from_numpy(GIVEN), GIVEN.tolist(), {"a": torch.from_numpy(GIVEN)}])
def test_torch_files_of_tensors_and_lists(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "labels.pt")
    assert np.array_equal(read(tmp_path / "labels.pt"), GIVEN)


class Evil:
    """Reading it as a pickle creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["torch", "torch_legacy", "pickle.pt", "pickle.npy", "npy", "npz"])
def test_nothing_in_a_file_is_executed(tmp_path: Path, form: str) -> None:
    marker = tmp_path / "executed"
    evil = Evil(marker)
    objects = np.array([evil] * len(TRUE), dtype=object)
    suffix = {"torch": "pt", "torch_legacy": "pt"}.get(form, form.split(".")[-1])
    path = tmp_path / f"labels.{suffix}"
    if form.startswith("torch"):
        torch.save({"labels": GIVEN, "more": evil}, path, _use_new_zipfile_serialization=form == "torch")
    elif form.startswith("pickle"):
        path.write_bytes(pickle.dumps(evil))
    elif form == "npy":
        np.save(path, objects, allow_pickle=True)
    else:
        np.savez(path, labels=objects)
    with pytest.raises(ValueError, match=path.name):
        read(path, "labels" if form.startswith("torch") else None)
    assert not marker.exists()

    pickle.loads(pickle.dumps(evil))
    assert marker.exists(), "the attack of this test is none"
