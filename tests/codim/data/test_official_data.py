"""CIFAR, WebVision and Clothing1M from small trees in the official layout, and CIFAR-10 itself where it is at hand."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import calculate_md5

from codim.data import clothing1m, webvision
from codim.data.load import load_data
from codim.noise.base import NoNoise
from tests.support.loading import config, levels, load
from tests.support.pictures import save_plain, write_lines

UNPACK = Path(__file__).parents[3] / "shared" / "data" / "cifar10" / "unpack.py"


def write_cifar(root: Path, kind: type[CIFAR10], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Small batches in the official pickle layout. The published checksums cannot fit them: torchvision's lists get
    theirs, here only. Returns file -> content."""
    rng = np.random.default_rng(0)
    key, classes = ("labels", 10) if kind is CIFAR10 else ("fine_labels", 100)
    contents: dict[str, Any] = {}
    for names, attribute in ((kind.train_list, "train_list"), (kind.test_list, "test_list")):
        changed = []
        for name, _ in names:
            data = rng.integers(0, 256, (6, 3072), dtype=np.uint8)
            contents[name] = {"data": data, key: rng.integers(0, classes, 6).tolist()}
            changed.append([name, write_pickle(root / kind.base_folder / name, contents[name])])
        monkeypatch.setattr(kind, attribute, changed)
    meta = {kind.meta["key"]: [f"class {k}" for k in range(classes)]}
    md5 = write_pickle(root / kind.base_folder / kind.meta["filename"], meta)
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5})
    return contents


def write_pickle(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))
    md5: str = calculate_md5(path)
    return md5


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_cifar(tmp_path: Path, kind: type[CIFAR10], monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches in order; the bytes of an image are its red, green and blue rows."""
    contents = write_cifar(tmp_path, kind, monkeypatch)
    source = load(kind.__name__.lower(), tmp_path)
    key = "labels" if kind is CIFAR10 else "fine_labels"
    for names, images, labels in (
        (kind.train_list, source.images, source.labels),
        (kind.test_list, source.test_images, source.test_labels),
    ):
        expected = np.concatenate([contents[name]["data"] for name, _ in names])
        assert np.array_equal(images, expected.reshape(-1, 3, 32, 32))
        assert labels.tolist() == [label for name, _ in names for label in contents[name][key]]
    assert source.classes[7] == "class 7"
    assert source.truth_known


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_absent_cifar_files_are_described(tmp_path: Path, name: str) -> None:
    md5 = {"cifar10": "c58f30108f718f92721af3b95e74349a", "cifar100": "eb9058c3a382ffc7106e4002c42a8d85"}[name]
    with pytest.raises(ValueError, match=rf"data/name {name}: .*set data/download: true(.|\n)*{md5}") as error:
        load(name, tmp_path)
    assert {"cifar10": "data_batch_5", "cifar100": "train"}[name] in str(error.value)


def test_a_cifar_file_with_another_checksum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, CIFAR10, monkeypatch)
    with (tmp_path / CIFAR10.base_folder / "data_batch_3").open("ab") as file:
        file.write(b"x")
    (tmp_path / CIFAR10.base_folder / "data_batch_4").unlink()
    (tmp_path / CIFAR10.base_folder / "test_batch").unlink()
    (tmp_path / CIFAR10.base_folder / "test_batch").mkdir()
    told = r"missing: data_batch_4; present, but not the official file \(its md5 differs\): data_batch_3, test_batch"
    with pytest.raises(ValueError, match=rf"does not hold the official files \({told}\)"):
        load("cifar10", tmp_path)


@pytest.mark.parametrize("fault", ["missing", "empty", "folder"])
@pytest.mark.parametrize(("name", "file"), [("webvision", webvision.VAL_LIST), ("clothing1m", clothing1m.NAMES)])
def test_a_list_that_cannot_be_the_official_one_is_told_from_one_that_is_missing(
    tmp_path: Path, name: str, file: str, fault: str
) -> None:
    path = tmp_path / file
    path.mkdir(parents=True) if fault == "folder" else write_lines(path)
    if fault == "missing":
        path.unlink()
    with pytest.raises(ValueError, match="data/root") as error:
        load(name, tmp_path)
    missing = str(error.value).split("expected there")[0].split("; it has ")[0]
    assert (file in missing) == (fault == "missing")
    assert (f"it has {file}, but empty or as a folder" in str(error.value)) == (fault != "missing")


def test_a_failed_download_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: CIFAR10) -> None:
        raise OSError("no route")

    monkeypatch.setattr(CIFAR10, "download", fails)
    with pytest.raises(ValueError, match=r"the download from https://.*cifar-10.* failed: no route"):
        load("cifar10", tmp_path, download=True)


@pytest.mark.skipif(not UNPACK.is_file(), reason="CIFAR-10 is not here")
def test_cifar_10_itself(tmp_path: Path) -> None:
    subprocess.run([sys.executable, UNPACK, tmp_path], check=True, capture_output=True)
    source = load("cifar10", tmp_path)
    assert source.images.shape == (50_000, 3, 32, 32)
    assert source.test_images.shape == (10_000, 3, 32, 32)
    assert np.bincount(source.labels).tolist() == [5000] * 10
    assert np.array_equal(source.labels, np.load(UNPACK.with_name("train_labels.npy")))
    assert source.classes[3:6] == ("cat", "deer", "dog")
    assert np.asarray(source.images).mean((0, 2, 3)) / 255 == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)


def write_webvision(root: Path) -> None:
    """Classes 0 to 49 count; two classes more stand in the lists."""
    synsets = [f"n{k:08d}" for k in range(60)]
    write_lines(root / webvision.SYNSETS, *(f"{synset} name {k}, other" for k, synset in enumerate(synsets)))
    train = [(f"google/q{i % 3:04d}/{i}.jpg", i % 52) for i in range(104)]
    write_lines(root / webvision.TRAIN_LIST, *(f"{name} {label}" for name, label in train))
    for i, (name, _) in enumerate(train):
        save_plain(root / name, i)
    test = [(f"val{i:06d}.jpg", (5 * i) % 55) for i in range(11)]
    write_lines(root / webvision.VAL_LIST, *(f"{name} {label}" for name, label in test))
    for i, (name, _) in enumerate(test):
        save_plain(root / "val_images_256" / name, 100 + i)


def near(found: list[int], expected: list[int]) -> bool:
    """JPEG."""
    return len(found) == len(expected) and all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def test_mini_webvision(tmp_path: Path) -> None:
    write_webvision(tmp_path)
    source = load("webvision", tmp_path)
    kept = [i for i in range(104) if i % 52 < 50]
    assert source.labels.tolist() == [i % 52 for i in kept]
    assert near(levels(source.images), kept)
    assert source.test_labels.tolist() == [(5 * i) % 55 for i in range(11) if (5 * i) % 55 < 50]
    assert near(levels(source.test_images), [100 + i for i in range(11) if (5 * i) % 55 < 50])
    assert (len(source.classes), source.classes[9]) == (50, "name 9")
    assert source.second_test_images is None
    assert not source.truth_known
    assert source.val_images is None


def write_ilsvrc(root: Path, flat: bool) -> dict[int, int]:
    """Two images per class of 60, in the official numbering: level -> class. ILSVRC numbers the classes its own way."""
    order = np.random.default_rng(0).permutation(60)
    images = np.random.default_rng(1).permutation(np.repeat(np.arange(60), 2))
    for number, k in enumerate(images, 1):
        folder = root / webvision.ILSVRC if flat else root / webvision.ILSVRC / f"n{k:08d}"
        save_plain(folder / f"ILSVRC2012_val_{number:08d}.JPEG", number)
    if flat:
        write_lines(root / webvision.GROUND_TRUTH, *(str(order[k] + 1) for k in images))
        synsets = np.zeros(60, dtype=[("ILSVRC2012_ID", object), ("WNID", object), ("words", object)])
        for k in range(60):
            synsets[k] = (int(order[k]) + 1, f"n{k:08d}", f"name {k}")
        scipy.io.savemat(root / webvision.META, {"synsets": synsets[:, None]})
    return {number: int(k) for number, k in enumerate(images, 1) if k < 50}


@pytest.mark.parametrize("flat", [False, True], ids=["folders", "flat"])
def test_ilsvrc_is_the_second_test_part(tmp_path: Path, flat: bool) -> None:
    write_webvision(tmp_path)
    label_of = write_ilsvrc(tmp_path, flat)
    source = load("webvision", tmp_path)
    assert source.second_test_labels is not None
    pairs = sorted(zip(levels(source.second_test_images), source.second_test_labels.tolist(), strict=True))
    assert near([level for level, _ in pairs], sorted(label_of))
    assert [label for _, label in pairs] == [label_of[level] for level in sorted(label_of)]
    data, truth = load_data(config("webvision", tmp_path), NoNoise())
    assert truth.second_test_images is not None
    assert len(truth.second_test_images) == 100
    assert len(data.classes) == 50


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / webvision.TRAIN_LIST).unlink(), r"has no info/train_filelist_google\.txt(.|\n)*lines"),
        (lambda root: write_lines(root / webvision.VAL_LIST, "a.jpg 0", "", "b.jpg"), r"val_filelist\.txt, line 3: 'b"),
        (lambda root: write_lines(root / webvision.VAL_LIST, "a.jpg 1000"), "line 1: 'a.jpg 1000'; .* 0 to 999"),
        (lambda root: write_lines(root / webvision.SYNSETS, "n1 a", "n2 b"), r"synsets\.txt: the first 50 lines"),
        (lambda root: (root / webvision.ILSVRC / "n00000000").mkdir(parents=True), r"n00000000 holds no \*\.JPEG"),
        (lambda root: save_plain(root / webvision.ILSVRC / "a.JPEG", 0), r"has no ILSVRC2012_devkit_t12/data/ILS"),
    ],
    ids=["no_list", "no_label", "label_too_large", "synsets", "empty_synset", "no_ground_truth"],
)
def test_faults_of_webvision_are_named(tmp_path: Path, damage: Any, message: str) -> None:
    write_webvision(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=message):
        load("webvision", tmp_path)


def test_a_missing_image_of_a_list_is_named(tmp_path: Path) -> None:
    write_webvision(tmp_path)
    (tmp_path / "google/q0001/1.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 100 images are missing: .*google/q0001/1\.jpg"):
        load_data(config("webvision", tmp_path), NoNoise())


def write_clothing(root: Path) -> None:
    write_lines(root / clothing1m.NAMES, *(f"Garment {k}" for k in range(14)))
    noisy, clean = [], []
    for i in range(20):
        name = f"images/{i % 10}/{i}.jpg"
        save_plain(root / name, 10 * i)
        noisy.append(f"{name} {i % 14}")
        clean.append(f"{name} {(i + 1) % 14}")
    write_lines(root / "noisy_label_kv.txt", *noisy[::-1])
    write_lines(root / "clean_label_kv.txt", *clean)
    keys = [line.split()[0] for line in noisy]
    write_lines(root / "noisy_train_key_list.txt", *keys[:14])
    write_lines(root / "clean_val_key_list.txt", *keys[14:16])
    write_lines(root / "clean_test_key_list.txt", *keys[16:])


def test_clothing1m(tmp_path: Path) -> None:
    write_clothing(tmp_path)
    source = load("clothing1m", tmp_path)
    assert source.labels.tolist() == list(range(14))
    assert near(levels(source.images), [10 * i for i in range(14)])
    assert source.val_labels is not None
    assert source.val_labels.tolist() == [1, 2]
    assert near(levels(source.val_images), [140, 150])
    assert source.test_labels.tolist() == [3, 4, 5, 6]
    assert near(levels(source.test_images), [160, 170, 180, 190])
    assert source.classes[13] == "Garment 13"
    assert not source.truth_known


def test_the_validation_part_of_clothing1m_that_people_checked(tmp_path: Path) -> None:
    write_clothing(tmp_path)
    data, truth = load_data(config("clothing1m", tmp_path, validation="official", val_fraction=0.5), NoNoise())
    assert data.train_index.tolist() == list(range(14))
    assert data.val_index.tolist() == [14, 15]
    assert data.labels.tolist() == [*range(14), 1, 2]
    assert near(data.images[data.val_index][:, 0, 0, 0].tolist(), [140, 150])
    assert truth.clean is None
    assert np.isnan(truth.noise_rate)
    assert truth.labels.tolist() == [-1] * 16
    assert len(truth.test_images) == 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "noisy_label_kv.txt").unlink(), r"has no noisy_label_kv\.txt(.|\n)*images/0"),
        (
            lambda root: write_lines(root / "noisy_train_key_list.txt", "images/0/x.jpg"),
            r"line 1: 'images/0/x\.jpg' has",
        ),
        (lambda root: write_lines(root / "clean_label_kv.txt", "a 14"), "line 1: 'a 14'; .* 0 to 13"),
        (lambda root: write_lines(root / clothing1m.NAMES, "a", "b"), "holds 2 names; allowed: 14"),
    ],
    ids=["no_list", "no_label", "label_too_large", "names"],
)
def test_faults_of_clothing1m_are_named(tmp_path: Path, damage: Any, message: str) -> None:
    write_clothing(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=message):
        load("clothing1m", tmp_path)
