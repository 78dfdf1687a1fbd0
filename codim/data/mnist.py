"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747): 70,000 grey images of 28x28 pixels
in 10 classes, from the official IDX files."""

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codim.config.data import DataConfig
from codim.data.image_source import ImageSource
from codim.runtime.atomic_file import held
from codim.text.safe_text import printable

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Location of the files that the package dataset-fashion-mnist of Debian and Ubuntu installs."""
SIDE = 28
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def mnist(config: DataConfig) -> ImageSource:
    """Load MNIST: 60,000 training and 10,000 test images in the official order."""
    from torchvision.datasets import MNIST  # doubles the time to import codim

    return _load(config, MNIST, [])


def fashion_mnist(config: DataConfig) -> ImageSource:
    """Load Fashion-MNIST: 60,000 training and 10,000 test images in the official order."""
    from torchvision.datasets import FashionMNIST

    return _load(config, FashionMNIST, [SYSTEM_FOLDER])


def _load(config: DataConfig, kind: "type[MNIST]", elsewhere: list[Path]) -> ImageSource:
    root = config.place
    # Not `root` itself: both data sets name their files alike, and one must never be taken for the other.
    places = [root / kind.__name__ / "raw", *elsewhere]
    if config.download and not any(map(_holds_all, places)):
        try:
            with held(root / f".{kind.__name__}.lock", soft=True):
                kind(root, download=True)
        except (RuntimeError, OSError) as error:
            raise ValueError(f"data/name {config.name}: the download failed: {printable(error)}") from error
    folder = next((place for place in places if _holds_all(place)), None)
    if folder is None:
        searched = ", ".join(printable(place) for place in places)
        raise ValueError(
            f"data/name {config.name}: no folder holds all official files; set data/download: true, or put "
            f"{', '.join(FILES)} (or the same with .gz) in one of {searched} (data/root)"
        )
    images, labels, test_images, test_labels = (_read(folder, name) for name in FILES)
    shape = config.facts.shape
    assert shape
    for name, part, own in ((FILES[1], images, labels), (FILES[3], test_images, test_labels)):
        if len(part) != len(own) or (own >= shape.classes).any():
            raise ValueError(f"{printable(folder / name)}: its labels do not fit the {len(part)} images beside it")
    if len(images) != shape.train:
        raise ValueError(f"{printable(folder / FILES[0])} holds {len(images)} images; allowed: {shape.train}")
    classes = tuple(kind.classes)
    return ImageSource(images, labels.astype(np.int64), test_images, test_labels.astype(np.int64), classes)


def _holds_all(folder: Path) -> bool:
    return all(_file(folder, name) for name in FILES)


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read(folder: Path, name: str) -> NDArray[np.uint8]:
    """Read an IDX file: images as (N, 1, 28, 28) or labels as (N,). Raises ValueError if it is damaged."""
    path = _file(folder, name)
    assert path
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise ValueError(f"{printable(path)} cannot be read: {printable(error)}") from error
    # Two zero bytes, 8 for uint8, the number of dimensions, then each size as a big-endian integer.
    sizes = (SIDE, SIDE) if "idx3" in name else ()
    header = 4 * (2 + len(sizes))
    count = int.from_bytes(content[4:8], "big")
    expected = b"\0\0\x08" + bytes([1 + len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in (count, *sizes))
    if content[:header] != expected or len(content) != header + count * (SIDE * SIDE if sizes else 1):
        raise ValueError(f"{printable(path)} is not the official file: its header does not fit its content")
    values = np.frombuffer(content, dtype=np.uint8, offset=header).copy()
    return values.reshape(count, 1, *sizes) if sizes else values
