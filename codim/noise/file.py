"""Noisy labels read from a file."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import ValidationInfo, model_validator

from codim.noise.base import NOMINAL, Images, NoiseKind
from codim.noise.label_files import READERS, read_label_file
from codim.noise.transition import Labels
from codim.section import AbsolutePath
from codim.text.label_table import column_name


class FileNoise(NoiseKind):
    """Given labels from a file, in the order of the training set."""

    draws_labels: ClassVar[bool] = False

    kind: Literal["file"] = "file"
    """Name of this kind of noise."""
    path: AbsolutePath
    """Label file: .npy (an array), .npz or .pt (named arrays), .json (a list, or named lists), .csv (columns)."""
    key: str | None = None
    """Name of the array or column; required if the file holds several."""

    @model_validator(mode="after")
    def _exists(self, info: ValidationInfo) -> "FileNoise":
        """Check suffix and existence of the file; with the context NOMINAL it need not exist here."""
        if self.path.suffix.lower() not in READERS:
            raise ValueError(f"label file {self.path}: suffix must be one of {', '.join(READERS)}")
        if info.context != NOMINAL and not self.path.is_file():
            raise ValueError(f"label file {self.path} does not exist")
        return self

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        content = read_label_file(self.path)
        if isinstance(content, dict):
            index = content.pop("index", None)
            if index is not None and not np.array_equal(index, np.arange(len(labels))):
                raise ValueError(f"label file {self.path}: its index must run 0, 1, 2, ... to {len(labels) - 1}")
            self._check_order(content, labels)
            if self.key is None and len(content) == 1:
                content = next(iter(content.values()))
            elif self.key is not None and column_name(self.key) in content:
                content = content[column_name(self.key)]
            else:
                names = ", ".join(map(str, content))
                raise ValueError(f"label file {self.path}: noise/key is {self.key!r}, allowed: {names}")
        given = np.asarray(content)
        if given.shape != labels.shape:
            raise ValueError(f"label file {self.path}: shape {given.shape}, the data set needs {labels.shape}")
        if given.dtype.kind not in "iu":
            raise ValueError(f"label file {self.path}: labels must be integers, found {given.dtype}")
        if len(given) and not 0 <= given.min() <= given.max() < num_classes:
            raise ValueError(
                f"label file {self.path}: labels run from {given.min()} to {given.max()}, "
                f"allowed: 0 to {num_classes - 1}"
            )
        return given.astype(np.int64)

    def slope(self, classes: int) -> float:
        """Return 1: the noise is that of the data, and unknown."""
        return 1.0

    @property
    def label(self) -> str:
        return "-".join(["file", self.path.stem, *([self.key] if self.key else [])])

    @property
    def files(self) -> list[Path]:
        return [self.path]

    def _check_order(self, content: dict[str, Any], labels: Labels) -> None:
        """Compare the true labels that CIFAR-N's files also hold, to detect a different order of the images."""
        clean = np.asarray(content.get("clean_label", labels))
        if clean.shape == labels.shape and (differ := int((clean != labels).sum())):
            raise ValueError(
                f"label file {self.path}: its clean_label differs from the data set's true label at {differ} of "
                f"{len(labels)} images, so it belongs to other images or to another order"
            )
