"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 60,000 images of 32x32 pixels in 10 or 100 classes, through torchvision,
which verifies the published MD5 sums of all files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from codim.config.data import DataConfig
from codim.data.image_source import ImageSource
from codim.runtime.atomic_file import held
from codim.text.safe_text import printable

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10


def cifar10(config: DataConfig) -> ImageSource:
    """Load CIFAR-10: 50,000 training and 10,000 test images in the official order, that of published label files."""
    from torchvision.datasets import CIFAR10  # doubles the time to import codim

    return _load(config, CIFAR10)


def cifar100(config: DataConfig) -> ImageSource:
    """Load CIFAR-100: 50,000 training and 10,000 test images in the official order; the 100 fine classes."""
    from torchvision.datasets import CIFAR100

    return _load(config, CIFAR100)


def _load(config: DataConfig, kind: "type[CIFAR10]") -> ImageSource:
    root = config.place
    try:
        if config.download:
            with held(root / f".{kind.base_folder}.lock", soft=True):
                kind(root, download=True)
        train, test = (kind(root, train=train) for train in (True, False))
    except (RuntimeError, OSError) as error:
        raise ValueError(_advice(config, kind, error)) from error
    images, test_images = (np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)) for part in (train, test))
    labels, test_labels = (np.array(part.targets, dtype=np.int64) for part in (train, test))
    return ImageSource(images, labels, test_images, test_labels, tuple(train.classes))


def _advice(config: DataConfig, kind: "type[CIFAR10]", error: Exception) -> str:
    folder = config.place / kind.base_folder
    files = [*kind.train_list, *kind.test_list, _meta(kind)]
    missing = [name for name, _ in files if not (folder / name).exists()]
    wrong = [name for name, md5 in files if name not in missing and not _is_official(folder / name, md5)]
    told = [f"missing: {', '.join(missing)}"] if missing else []
    told += [f"present, but not the official file (its md5 differs): {', '.join(wrong)}"] if wrong else []
    expected = ", ".join(f"{name} (md5 {md5})" for name, md5 in files)
    tried = f"the download from {kind.url} failed: {error}" if config.download else "set data/download: true, or"
    return (
        f"data/name {config.name}: {printable(folder)} does not hold the official files ({'; '.join(told) or error}); "
        f"{tried}\nunpack {kind.filename} (from "
        f"{kind.url}, md5 {kind.tgz_md5}) in {config.place} (data/root).\nExpected in {printable(folder)}: {expected}"
    )


def _is_official(path: Path, md5: str) -> bool:
    from torchvision.datasets.utils import check_md5

    return path.is_file() and bool(check_md5(path, md5))


def _meta(kind: "type[CIFAR10]") -> list[str]:
    return [kind.meta["filename"], kind.meta["md5"]]
