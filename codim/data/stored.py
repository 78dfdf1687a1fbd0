"""Samples that stay in a file and are read batch by batch, and the types of all samples as loaders and training hold
them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.int64]


class Stored(ABC):
    """Selection of the samples of a file, in any order; behaves like a tensor (N, ...) on `device`."""

    def __init__(self, rows: Rows, device: torch.device | str = "cpu") -> None:
        """`rows`: (N,) positions in the file."""
        self.rows, self.device = rows, torch.device(device)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    @abstractmethod
    def shape(self) -> torch.Size: ...

    @abstractmethod
    def read(self, rows: Rows) -> Tensor:
        """Return the samples at these positions in the file, a copy in memory."""

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return the samples at an index (n,) of integers or bools, or a slice, as a tensor on the device."""
        chosen = index.cpu().numpy() if isinstance(index, Tensor) else index
        return self.read(self.rows[chosen]).to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield chunks of `size` samples in order."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    @property
    @abstractmethod
    def repeats(self) -> Rows:
        """An id per sample, (N,), equal for copies of one sample."""

    @abstractmethod
    def name(self, i: int) -> str:
        """Return the name of a sample: its file as it is listed, or its id."""

    @abstractmethod
    def selected(self, rows: Rows) -> Self:
        """Return the samples at these positions in the file, still unread."""

    def take(self, index: Rows) -> Self:
        """Return the samples at `index` (n,), still unread."""
        return self.selected(self.rows[index])

    def followed_by(self, other: Self) -> Self:
        """Return these samples followed by those of `other`, which must be of the same file."""
        return self.selected(np.concatenate([self.rows, other.rows]))

    @abstractmethod
    def mapped(self) -> NDArray[Any]:
        """Return all samples (N, ...); a memory map, or a copy in memory unless the rows are the file's first in order.
        Raises ValueError as `ready`."""

    @abstractmethod
    def ready(self, device: torch.device | str) -> Self:
        """Prepare what reading needs, and return the samples for `device`. Raises ValueError: they cannot be read."""


Pixels = NDArray[Any] | Stored
"""Samples as loaders return them: uint8 images (N, C, H, W) or embeddings (N, D)."""
Images = Tensor | Stored
"""Samples as training indexes them."""
