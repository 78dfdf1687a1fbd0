"""Embeddings: vectors that an encoder made of images, text or sound, in place of images."""

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from codim.config.data import DataConfig
from codim.data.embedding_files import Texts, read_ids, read_labels
from codim.data.image_source import ImageSource
from codim.data.stored import Rows, Stored
from codim.data.vector_files import finite_rows, read_vectors
from codim.text.parts import PARTS
from codim.text.safe_text import printable

log = logging.getLogger(__name__)


class Embeddings(Stored):
    """Selection of the embeddings of a file, in any order; behaves like a float32 tensor (N, D) on `device`.

    Those of a .npy stay in it, and only those asked for are read: memory holds no more than the system keeps of the
    file.
    """

    def __init__(
        self, vectors: NDArray[np.generic], ids: Texts | None, rows: Rows, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(rows, device)
        self.vectors, self.ids = vectors, ids

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self.rows), self.vectors.shape[1]])

    def read(self, rows: Rows) -> Tensor:
        return torch.from_numpy(self.vectors[rows].astype(np.float32, copy=False))

    @property
    def repeats(self) -> Rows:
        return self.rows if self.ids is None else np.unique(self.ids[self.rows], return_inverse=True)[1]

    def name(self, i: int) -> str:
        """Return the id of an embedding; empty if the file has none."""
        return "" if self.ids is None else str(self.ids[self.rows[i]])

    def selected(self, rows: Rows) -> "Embeddings":
        return Embeddings(self.vectors, self.ids, rows, self.device)

    def mapped(self) -> NDArray[np.generic]:
        in_order = np.array_equal(self.rows, np.arange(len(self)))
        return self.vectors[: len(self)] if in_order else self.vectors[self.rows]

    def ready(self, device: torch.device | str) -> "Embeddings":
        return Embeddings(self.vectors, self.ids, self.rows, device)


def embeddings(config: DataConfig) -> ImageSource:
    """Load the embeddings in the file `data/root` (codim/data/embedding_files.py says of which formats).

    Raises:
        ValueError: as `read_labels` and `read_vectors`; the labels are not as many as the embeddings; or there is a
            part `val` without `data/validation: official`.
    """
    path = config.place
    vectors, found = read_vectors(path), read_labels(path, config.labels)
    if len(vectors) != len(found.labels):
        raise ValueError(
            f"{printable(config.labels or path)}: {len(found.labels)} labels for the {len(vectors)} embeddings of "
            f"{printable(path)}; allowed: one for each"
        )
    train, val, test = (found.rows[part] for part in PARTS)
    if len(val) and config.validation != "official":
        raise ValueError(
            f"{printable(path)}: {len(val)} embeddings are marked as validation part, but data/validation is "
            f"{config.validation!r}; "
            "set data/validation: official, or remove them"
        )
    log.info(
        "%s: %d embeddings of %d numbers in %d classes; %d for training, %d for validation, %d for test",
        *(printable(path), *vectors.shape, len(found.classes), len(train), len(val), len(test)),
    )
    parts = [Embeddings(vectors, found.ids, rows) for rows in (train, val, test)]
    labels = [found.labels[rows] for rows in (train, val, test)]
    return ImageSource(
        parts[0],
        labels[0],
        parts[2],
        labels[2],
        found.classes,
        val_images=parts[1] if len(val) else None,
        val_labels=labels[1] if len(val) else None,
        trusted=found.trusted[train],
        truth_known=config.labels_are_true,
    )


def unlabelled(path: Path) -> Embeddings:
    """Open embeddings to predict; labels in the file are not read. Raises ValueError as `read_vectors`."""
    vectors = read_vectors(path)
    return Embeddings(vectors, read_ids(path), np.arange(len(vectors)))


def in_memory_vectors(vectors: ArrayLike) -> NDArray[np.float32]:
    """Return embeddings of a program as float32 (N, D), a copy. Raises ValueError."""
    array = np.asarray(vectors)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.shape[1]:
        raise ValueError(f"embeddings: an array of shape {array.shape}, type {array.dtype}; allowed: numbers (N, D)")
    if not (fine := finite_rows(array)).all():
        raise ValueError(f"embeddings: row {int(np.argmin(fine))} holds NaN or infinity; allowed: finite numbers")
    return array.astype(np.float32)
