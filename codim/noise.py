"""Label noise: each kind is its settings and a pure function (true labels, settings) -> given labels.

Definitions differ between papers; those here follow the code that the published tables were made with and say which.
"""

import csv
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, model_validator

from codim.section import Section

Labels = NDArray[np.int64]
Rate = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]

CLASS_MAPS: dict[str, dict[int, int]] = {
    "cifar10": {9: 1, 2: 0, 4: 7, 3: 5, 5: 3},
    "digits": {2: 7, 3: 8, 5: 6, 6: 5, 7: 1},
}
"""Which class is taken for which. cifar10: truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog (Patrini
et al. 2017). digits: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1, the confusions that Patrini et al. use for handwritten digits."""


class NoNoise(Section):
    """The given labels are the true ones."""

    kind: Literal["none"] = "none"
    """Names this kind of noise."""

    def apply(self, labels: Labels, num_classes: int, images: NDArray[np.uint8] | None = None) -> Labels:
        return labels.copy()


class SymmetricNoise(Section):
    """`rate` * N samples, drawn over the whole set, get a label drawn uniformly over the classes."""

    kind: Literal["symmetric"] = "symmetric"
    """Names this kind of noise."""
    rate: Rate
    """Share of samples whose label is drawn anew (the nominal rate)."""
    include_true: bool = True
    """True: the draw may hit the true class, realised rate r (1 - 1/K) (DivideMix and most code).
    False: over the other K - 1 classes, realised rate r (Co-teaching)."""
    seed: Seed = 0
    """Of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: NDArray[np.uint8] | None = None) -> Labels:
        rng = np.random.default_rng(self.seed)
        given = labels.copy()
        chosen = rng.permutation(len(labels))[: round(self.rate * len(labels))]
        if self.include_true:
            given[chosen] = rng.integers(0, num_classes, len(chosen))
        else:
            given[chosen] = (labels[chosen] + rng.integers(1, num_classes, len(chosen))) % num_classes
        return given


class AsymmetricNoise(Section):
    """Each sample of a mapped class gets the class it is mapped to, with probability `rate`; other classes stay
    clean."""

    kind: Literal["asymmetric"] = "asymmetric"
    """Names this kind of noise."""
    rate: Rate
    """Probability of a flip within a mapped class (the nominal rate; the rate over the whole set is smaller)."""
    map: Literal["cifar10", "digits"]
    """Name of the class map, see CLASS_MAPS."""
    seed: Seed = 0
    """Of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: NDArray[np.uint8] | None = None) -> Labels:
        target = np.arange(num_classes)
        for source, destination in CLASS_MAPS[self.map].items():
            if max(source, destination) >= num_classes:
                raise ValueError(f"noise/map {self.map!r} needs 10 classes, the data have {num_classes}")
            target[source] = destination
        return _flip(labels, target[labels], self.rate, self.seed)


class PairFlipNoise(Section):
    """Each sample gets the next class, circularly, with probability `rate`: T[i, i + 1] = rate (Co-teaching's pair
    flip)."""

    kind: Literal["pairflip"] = "pairflip"
    """Names this kind of noise."""
    rate: Rate
    """Probability of a flip."""
    seed: Seed = 0
    """Of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: NDArray[np.uint8] | None = None) -> Labels:
        return _flip(labels, (labels + 1) % num_classes, self.rate, self.seed)


def _flip(labels: Labels, target: Labels, rate: float, seed: int) -> Labels:
    flipped = np.random.default_rng(seed).random(len(labels)) < rate
    return np.where(flipped, target, labels)


class FileNoise(Section):
    """The given labels stand in a file, in the order of the training set."""

    kind: Literal["file"] = "file"
    """Names this kind of noise."""
    path: Path
    """.npy (an array), .npz or .pt (named arrays), .json (a list, or named lists), .csv (columns)."""
    key: str | None = None
    """Name of the array or column; needed where the file holds several."""

    @model_validator(mode="after")
    def _exists(self) -> "FileNoise":
        if self.path.suffix not in _READERS:
            raise ValueError(f"label file {self.path}: suffix must be one of {', '.join(_READERS)}")
        if not self.path.is_file():
            raise ValueError(f"label file {self.path} does not exist")
        return self

    def apply(self, labels: Labels, num_classes: int, images: NDArray[np.uint8] | None = None) -> Labels:
        try:
            content = _READERS[self.path.suffix](self.path)
        except Exception as error:  # each format has half a dozen types for a damaged file
            raise ValueError(f"label file {self.path} cannot be read: {error}") from error
        if isinstance(content, dict):
            index = content.pop("index", None)
            if index is not None and not np.array_equal(index, np.arange(len(labels))):
                raise ValueError(f"label file {self.path}: its index must run 0, 1, 2, ... to {len(labels) - 1}")
            if self.key is None and len(content) == 1:
                content = next(iter(content.values()))
            elif self.key in content:
                content = content[self.key]
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


def _read_torch(path: Path) -> Any:
    # The published CIFAR-N files are old torch pickles around numpy arrays: admit arrays of numbers and nothing else.
    numbers = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"]}
    arrays: list[Any] = [np.ndarray, np.dtype, *numbers]
    reconstruct: Any = np.empty(0).__reduce__()[0]
    with torch.serialization.safe_globals([*arrays, reconstruct, (reconstruct, "numpy.core.multiarray._reconstruct")]):
        return torch.load(path, weights_only=True)


def _read_csv(path: Path) -> dict[str, NDArray[Any]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, NDArray[Any]] = {}
    for name in rows[0] if rows else ():
        try:
            columns[name] = np.array([int(row[name]) for row in rows])
        except (TypeError, ValueError):
            columns[name] = np.array([row[name] for row in rows], dtype=str)
    return columns


_READERS: dict[str, Any] = {
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".npz": lambda path: dict(np.load(path, allow_pickle=False)),
    ".json": lambda path: json.loads(path.read_text()),
    ".pt": _read_torch,
    ".csv": _read_csv,
}

NOISE_KINDS = (NoNoise, SymmetricNoise, AsymmetricNoise, PairFlipNoise, FileNoise)
NoiseSpec = Annotated[
    NoNoise | SymmetricNoise | AsymmetricNoise | PairFlipNoise | FileNoise, Field(discriminator="kind")
]
NOISE_ADAPTER: TypeAdapter[NoiseSpec] = TypeAdapter(NoiseSpec)


def transition_matrix(true: Labels, given: Labels, num_classes: int) -> NDArray[np.float64]:
    """Realised (K, K) matrix; row: true class, column: given class; rows sum to 1 (identity row for an absent
    class)."""
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (true, given), 1)
    absent = counts.sum(1) == 0
    counts[absent, absent] = 1
    matrix: NDArray[np.float64] = counts / counts.sum(1, keepdims=True)
    return matrix
