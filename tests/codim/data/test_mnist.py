"""MNIST and Fashion-MNIST from small files in the official format, and Fashion-MNIST itself where it is installed."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST

from codim.config.datasets import DATASET_FACTS
from codim.data.mnist import FILES, SYSTEM_FOLDER
from tests.support.loading import load

N = 20


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of N training images count as complete, and none are installed."""
    for name in ("mnist", "fashion_mnist"):
        facts = DATASET_FACTS[name]
        assert facts.shape
        monkeypatch.setitem(DATASET_FACTS, name, replace(facts, shape=facts.shape._replace(train=N)))
    monkeypatch.setattr("codim.data.mnist.SYSTEM_FOLDER", Path("/nowhere"))


def idx(values: np.ndarray) -> bytes:  # type: ignore[type-arg]
    sizes = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return b"\0\0\x08" + bytes([values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def write(folder: Path, suffix: str = "") -> list[np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    parts = []
    for name in FILES:
        n = N if "train" in name else 7
        parts.append(rng.integers(0, 256, (n, 28, 28)) if "images" in name else rng.integers(0, 10, n))
        content = idx(parts[-1])
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    return parts


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST/raw"), ("fashion_mnist", "FashionMNIST/raw")])
def test_every_layout_is_read(tmp_path: Path, name: str, folder: str, suffix: str) -> None:
    root = tmp_path / "data"
    images, labels, test_images, test_labels = write(root / folder, suffix)
    source = load(name, root)
    assert np.array_equal(source.images, images[:, None])
    assert np.array_equal(source.test_images, test_images[:, None])
    assert source.labels.tolist() == labels.tolist()
    assert source.test_labels.tolist() == test_labels.tolist()
    assert source.labels.dtype == np.int64
    assert len(source.classes) == 10


def test_one_is_never_taken_for_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their files have the same names: each is read from a folder of its own, or where Fashion-MNIST is installed."""
    images, *_ = write(tmp_path / "installed")
    for name in ("mnist", "fashion_mnist"):
        with pytest.raises(ValueError, match="no folder holds all official files"):
            load(name, tmp_path / "installed")
    monkeypatch.setattr("codim.data.mnist.SYSTEM_FOLDER", tmp_path / "installed")
    assert np.array_equal(load("fashion_mnist", tmp_path).images, images[:, None])
    with pytest.raises(ValueError, match="no folder holds all official files"):
        load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (0, b"\0\0\x08\x03" + bytes(12), "is not the official file"),
        (0, idx(np.zeros((N, 28, 28)))[:-1], "is not the official file"),
        (0, idx(np.zeros((N - 1, 28, 28))), "do not fit the 19 images"),
        (1, idx(np.zeros((N, 28, 28))), "is not the official file"),
        (1, idx(np.full(N, 10)), "do not fit the 20 images"),
        (3, b"", "is not the official file"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: int, content: bytes, message: str) -> None:
    write(tmp_path / "MNIST" / "raw")
    path = tmp_path / "MNIST" / "raw" / FILES[file]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load("mnist", tmp_path)
    assert FILES[file].split("-")[0] in str(error.value)


def test_a_part_of_the_training_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "MNIST" / "raw")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="holds 20 images; allowed: 60000"):
        load("mnist", tmp_path)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw", ".gz")
    (tmp_path / "MNIST" / "raw" / f"{FILES[2]}.gz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz cannot be read"):
        load("mnist", tmp_path)


def test_absent_files_and_a_failed_download_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no folder holds all official files; set data/download: true, or put train-"):
        load("fashion_mnist", tmp_path)

    def fails(self: MNIST) -> None:
        raise OSError("no route")

    monkeypatch.setattr(MNIST, "download", fails)
    with pytest.raises(ValueError, match="data/name mnist: the download failed: no route"):
        load("mnist", tmp_path, download=True)


def test_a_download_lies_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MNIST, "download", lambda self: write(Path(self.raw_folder)))
    assert len(load("mnist", tmp_path, download=True).images) == N
    monkeypatch.setattr(MNIST, "download", lambda self: pytest.fail("downloaded again"))
    assert len(load("mnist", tmp_path, download=True).images) == N


@pytest.mark.skipif(not SYSTEM_FOLDER.is_dir(), reason="Fashion-MNIST is not installed")
def test_fashion_mnist_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    source = load("fashion_mnist", tmp_path)
    assert source.images.shape == (60_000, 1, 28, 28)
    assert np.bincount(source.labels).tolist() == [6000] * 10
    assert np.bincount(source.test_labels).tolist() == [1000] * 10
    assert source.classes[9] == "Ankle boot"
    assert np.asarray(source.images).mean() / 255 == pytest.approx(0.2860, abs=1e-4)
