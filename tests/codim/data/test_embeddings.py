"""Embeddings in files: every format gives the same data; what does not fit is told, and nothing in a file is run."""

import csv
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from codim.config.auto import Counts, resolved
from codim.config.data import DataConfig
from codim.config.train_config import train_config
from codim.data.counts import count_images
from codim.data.embedding_files import read_labels
from codim.data.embeddings import Embeddings
from codim.data.load import load_data
from codim.noise.base import NoNoise
from codim.noise.kinds import NOISE_ADAPTER
from tests.support.vectors import DIM, NAMES, blobs, save, settings

N = 30
SUFFIXES = [".npy", ".npz", ".parquet"]
VECTORS, LABELS = blobs(N)
SPLIT = ["Training" if i % 5 else "test" for i in range(N)]
IDS = [f"photo {i}" for i in range(N)]


def load(path: Path, **data: Any) -> Any:
    return load_data(DataConfig.model_validate(settings(path, **data)), NoNoise())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_every_format_gives_the_same_data(suffix: str, dtype: type, tmp_path: Path) -> None:
    vectors = VECTORS.round().astype(dtype)
    data, truth = load(save(tmp_path / f"x{suffix}", vectors, label=LABELS, split=SPLIT, id=IDS))
    train = [i for i in range(N) if i % 5]
    assert data.classes == tuple(NAMES)
    assert data.images.shape == (len(train), DIM)
    torch.testing.assert_close(data.images[:], torch.from_numpy(vectors[train].astype(np.float32)))
    assert [data.classes[k] for k in data.labels.tolist()] == list(LABELS[train])
    assert [data.images.name(i) for i in range(3)] == ["photo 1", "photo 2", "photo 3"]
    torch.testing.assert_close(truth.test_images[:], torch.from_numpy(vectors[::5].astype(np.float32)))
    assert len(data.train_index) + len(data.val_index) == len(train)
    assert truth.clean is None


def test_a_npy_stays_on_disk(tmp_path: Path) -> None:
    data, _ = load(save(tmp_path / "x.npy", VECTORS, label=LABELS), subset=20)
    assert isinstance(data.images, Embeddings)
    assert isinstance(data.images.vectors, np.memmap)
    assert data.images[torch.tensor([3, 0])].shape == (2, DIM)
    data.images[:2].zero_()
    assert (np.load(tmp_path / "x.npy") == VECTORS).all(), "what training reads is a copy"


def test_labels_may_be_numbers_and_lie_in_a_csv_or_a_npy(tmp_path: Path) -> None:
    number = [10 * (i % 3) for i in range(N)]
    save(tmp_path / "x.npy", VECTORS)
    np.save(tmp_path / "labels.npy", np.array(number))
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["label"], *([n] for n in number)])
    for name in ("labels.npy", "labels.csv"):
        data, _ = load(tmp_path / "x.npy", labels=str(tmp_path / name))
        assert data.classes == ("0", "10", "20")
        assert [10 * k for k in data.labels.tolist()] == number


def test_a_table_of_labels_takes_precedence(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npz", VECTORS, label=LABELS, id=IDS)
    pq.write_table(pa.table({"label": [*LABELS[::-1]], "id": IDS}), tmp_path / "corrected.parquet")
    data, _ = load(path, labels=str(tmp_path / "corrected.parquet"))
    assert [data.classes[k] for k in data.labels.tolist()] == [*LABELS[::-1]]


def test_the_validation_part_and_known_labels(tmp_path: Path) -> None:
    split = ["val" if i < 6 else "train" for i in range(N)]
    path = save(tmp_path / "x.npz", VECTORS, label=LABELS, split=split)
    noise = NOISE_ADAPTER.validate_python({"kind": "symmetric", "rate": 0.5})
    config = DataConfig.model_validate(settings(path, validation="official", labels_are_true=True))
    data, truth = load_data(config, noise)
    assert data.val_index.tolist() == [*range(N - 6, N)]
    torch.testing.assert_close(data.images[data.val_index], torch.from_numpy(VECTORS[:6]))
    assert truth.noise_rate == (data.labels != truth.labels)[: N - 6].double().mean().item() > 0
    assert count_images({"data": settings(path, validation="official")}, gpu=False) == Counts(N, N - 6, 0, False)


def test_copies_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    ids = [f"photo {i // 2}" for i in range(N)]
    data, _ = load(save(tmp_path / "x.parquet", VECTORS, label=LABELS, id=ids), val_fraction=0.4)
    sides = [{ids[i] for i in part.tolist()} for part in (data.train_index, data.val_index)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("pixels", ["raw", "standardised"])
def test_instance_noise_reads_the_embeddings(pixels: str, tmp_path: Path) -> None:
    """The order of the samples is that of the file; the scale of a number means nothing once it is standardised."""
    vectors, labels = blobs(600)
    noise = NOISE_ADAPTER.validate_python({"kind": "instance", "rate": 0.4, "pixels": pixels})
    scaled = vectors * np.array([1, 10, 1, 1, 1, 100], dtype=np.float32)
    found = []
    for number, values in enumerate((vectors, scaled)):
        path = save(tmp_path / f"{number}.npy", values, label=labels)
        config = DataConfig.model_validate(settings(path, labels_are_true=True))
        data, truth = load_data(config, noise)
        assert 0.3 < truth.noise_rate < 0.5
        found.append(data.labels)
    same = (found[0] == found[1]).double().mean().item()
    assert (same > 0.99) == (pixels == "standardised")


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    trap, done = tmp_path / "trap", Bomb(tmp_path / "trap")
    objects = np.array([done, done], dtype=object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", embeddings=objects, labels=objects)
    for suffix in SUFFIXES:
        (tmp_path / f"pickle{suffix}").write_bytes(pickle.dumps(done))
    for path in tmp_path.glob("*.*"):
        with pytest.raises(ValueError, match=re.escape(str(path))):
            load(path, labels=None)
    assert not trap.exists()


def test_arrays_of_objects_are_named_with_what_to_do(tmp_path: Path) -> None:
    """As `frame.label.values` makes them."""
    np.savez(tmp_path / "x.npz", embeddings=VECTORS, labels=LABELS.astype(object))
    with pytest.raises(ValueError, match=r"x\.npz, array labels holds Python objects, .* as \.astype\(str\) makes"):
        load(tmp_path / "x.npz", labels=None)
    np.savez(tmp_path / "y.npz", X=VECTORS, y=LABELS)
    with pytest.raises(ValueError, match=r"y\.npz has no array embeddings; found: X, y"):
        load(tmp_path / "y.npz", labels=None)
    with pytest.raises(ValueError, match=r"y\.npz holds no labels \(found: X, y\); give data/labels"):
        read_labels(tmp_path / "y.npz", None)
    for path in (tmp_path, tmp_path / "x.pkl"):
        with pytest.raises(ValueError, match=r"is not a file of embeddings; allowed: \.npy"):
            read_labels(path, None)


def nan() -> Any:
    vectors = VECTORS.copy()
    vectors[7, 2] = np.nan
    return vectors


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("vectors", "columns", "message"),
    [
        (nan(), {"label": LABELS}, "row 8: an embedding with NaN"),
        (VECTORS.astype(np.float64) * 1e300, {"label": LABELS}, "row 1: .* infinite in single precision"),
        (VECTORS, {}, r"holds no labels.*; give data/labels"),
        (VECTORS, {"label": LABELS, "split": ["holiday"] * N}, "row 1: split is 'holiday'; allowed: train, val, test"),
        (VECTORS, {"label": ["a"] * N}, r"the training part has 1 classes \['a'\]; allowed: 2 or more"),
        (VECTORS, {"label": ["", *LABELS[1:]]}, "row 1: label is empty"),
        (VECTORS, {"label": ["new", *LABELS[1:]], "split": SPLIT}, "no training embedding has the label 'new'"),
        (VECTORS, {"label": LABELS, "split": ["val", *SPLIT[1:]]}, "1 embeddings are marked as validation part"),
        (VECTORS, {"label": LABELS, "split": SPLIT, "id": ["a"] * N}, "id 'a' is in 2 parts; allowed: one"),
    ],
    ids=["nan", "huge", "no_labels", "split", "one_class", "empty", "new_class", "validation", "two_parts"],
)
def test_faults_are_named(suffix: str, vectors: Any, columns: Any, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"x{suffix}", vectors, **columns)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_in_another_order_or_number_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npz", VECTORS, label=LABELS, id=IDS)
    order = [1, 0, *range(2, N)]
    pq.write_table(pa.table({"label": [*LABELS[order]], "id": [IDS[i] for i in order]}), tmp_path / "l.parquet")
    with pytest.raises(ValueError, match=r"row 1: id 'photo 1', but .* has 'photo 0' there \(2 differ\)"):
        load(path, labels=str(tmp_path / "l.parquet"))
    pq.write_table(pa.table({"label": [*LABELS[:-1]]}), tmp_path / "short.parquet")
    for name in ("x.npz", "x.npy"):
        save(tmp_path / name, VECTORS, id=IDS) if name == "x.npz" else save(tmp_path / name, VECTORS)
        with pytest.raises(ValueError, match=f"{N - 1} labels"):
            load(tmp_path / name, labels=str(tmp_path / "short.parquet"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (VECTORS[0], r"shape \(6,\) and type float32; allowed: numbers \(N, D\)"),
        (VECTORS[:0], r"shape \(0, 6\)"),
        (VECTORS > 0, "type bool"),
        (VECTORS.astype("<U9"), "type <U9"),
        (VECTORS[:, :, None], r"shape \(30, 6, 1\)"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(array: Any, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", array, label=LABELS)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_ragged_and_missing_embeddings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"embedding": [[1.0, 2.0], [1.0]], "label": ["a", "b"]}), path)
    with pytest.raises(ValueError, match="row 2: an embedding of 1 numbers, those before have 2"):
        load(path)
    pq.write_table(pa.table({"embedding": [[1.0], None], "label": ["a", "b"]}), path)
    with pytest.raises(ValueError, match="row 2: embedding is missing"):
        load(path)
    pq.write_table(pa.table({"vector": [[1.0], [2.0]], "label": ["a", "b"]}), path)
    with pytest.raises(ValueError, match="no column embedding; found: vector, label"):
        load(path)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"network": {"name": "airbench"}}, "airbench takes images, .* holds embeddings; allowed: mlp, identity"),
        ({"data": {"name": "digits"}, "network": {"name": "mlp"}}, "mlp takes embeddings, .* digits holds images"),
        ({"data": {"name": "digits", "labels": "x.csv"}}, "data/labels: digits has labels of its own"),
        ({"data": {"name": "digits", "labels_are_true": True}}, "data/labels_are_true: digits"),
        ({"data": {"name": "embeddings"}}, "data/root is missing: embeddings needs a .npy, .npz or .parquet file"),
        ({"data": {"name": "vectors"}, "network": {"name": "identity", "width": 3}}, "identity has a fixed width"),
    ],
)
def test_settings_that_do_not_fit_are_refused(over: Any, message: str) -> None:
    settings = {"data": {"name": "embeddings", "root": "x.npz"}} | over
    with pytest.raises(ValueError, match=message):
        train_config(resolved(settings, Counts(900, 900, 0, False)))
