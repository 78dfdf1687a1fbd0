"""Label noise: each kind is its settings and a pure function (true labels, images, settings) -> given labels.

Definitions differ between papers; those here follow the code that the published tables were made with and say which.
"""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationInfo, model_validator

from codim.label_table import column_name
from codim.noise_files import READERS, read_label_file
from codim.noise_instance import channel_scale, chunks, flip_probabilities, flip_rates
from codim.noise_maps import CLASS_MAPS
from codim.section import AbsolutePath, Section

Labels = NDArray[np.int64]
Images = NDArray[np.uint8]
Rate = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
NOMINAL = "nominal"
"""Context of a validation of settings whose files are elsewhere (codim/nominal.py)."""


class NoNoise(Section):
    """The given labels are the true ones."""

    kind: Literal["none"] = "none"
    """Names this kind of noise."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
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

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
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
    clean.

    The draws are independent (as Patrini et al., ELR and Sel-CL). Some code flips an exact share instead, of each
    class or of the whole set (DivideMix, C2D): the same in expectation.
    """

    kind: Literal["asymmetric"] = "asymmetric"
    """Names this kind of noise."""
    rate: Rate
    """Probability of a flip within a mapped class (the nominal rate; the rate over the whole set is smaller where
    classes stay clean)."""
    map: Literal["cifar10", "digits", "superclass-next", "superclass-uniform", "block5-next", "next"]
    """Which class is taken for which.
    cifar10: truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog (Patrini et al. 2017).
    digits: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1, the confusions that Patrini et al. use for handwritten digits.
    The others are four definitions for CIFAR-100 that papers call by one name; their results do not compare.
    superclass-next: the next fine id of the same superclass, circularly (Sel-CL, LongReMix).
    superclass-uniform: any of the other four classes of the superclass, each as likely (C2D).
    block5-next: the next id within a block of five consecutive fine ids, circularly (Patrini et al., ELR, UNICON).
    Fine ids stand in the order of the alphabet, so 6 % of these flips stay in the superclass.
    next: the next of all 100, circularly, as pair flip (DISC)."""
    seed: Seed = 0
    """Of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        targets = CLASS_MAPS[self.map]
        if len(targets) != num_classes:
            raise ValueError(f"noise/map {self.map!r} needs {len(targets)} classes, the data have {num_classes}")
        rng = np.random.default_rng(self.seed)
        flipped = rng.random(len(labels)) < self.rate
        return np.where(flipped, targets[labels, rng.integers(0, targets.shape[1], len(labels))], labels)


class PairFlipNoise(Section):
    """Each sample gets the next class, circularly, with probability `rate`: T[i, i + 1] = rate (Co-teaching's pair
    flip)."""

    kind: Literal["pairflip"] = "pairflip"
    """Names this kind of noise."""
    rate: Rate
    """Probability of a flip."""
    seed: Seed = 0
    """Of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        flipped = np.random.default_rng(self.seed).random(len(labels)) < self.rate
        return np.where(flipped, (labels + 1) % num_classes, labels)


class InstanceNoise(Section):
    """Part-dependent noise (Xia et al. 2020): the pixels of a sample decide which wrong class it is taken for.

    A sample of class y with the S pixels x flips with probability q ~ TruncNormal(rate, .1, [0, 1]). With W ~ N(0, 1)
    of shape (K, S, K), p = q softmax(x W[y]), the softmax over the other classes, and p[y] = 1 - q; the given label is
    drawn from p. The truncation moves the mean of q near the ends: .129 at rate .1, .206 at .2, .400 at .4. Rate 0
    flips nothing.

    Memory: W[y] is drawn and dropped class by class, S K float64 (2.5 MB on CIFAR-100, 60 MB on 50 classes of 224x224
    pixels), and images are read in chunks of 64 MB. Time: about N S K multiplications.
    """

    kind: Literal["instance"] = "instance"
    """Names this kind of noise."""
    rate: Rate
    """Mean of the flip probabilities before truncation (the nominal rate)."""
    pixels: Literal["raw", "standardised"] = "raw"
    """What x is; it changes the noise. raw: 0 to 255, as in the authors' code and in those derived from it; what all
    images share then decides, so the noise is close to a class map: on CIFAR-10 two thirds or more of a class's flips
    go to one class. standardised: mean 0 and standard deviation 1 per channel over the set; the images of a class
    then scatter (a quarter). Either way x is long, and nearly all of a sample's q goes to one class."""
    seed: Seed = 0
    """Of the draw; the same seed gives the same labels."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        rng = np.random.default_rng(self.seed)
        q = flip_rates(self.rate, len(labels), rng)
        uniform = rng.random(len(labels))
        mean, std = channel_scale(images) if self.pixels == "standardised" else (np.zeros(1), np.ones(1))
        size = int(np.prod(images.shape[1:]))
        given = labels.copy()
        for k, stream in enumerate(rng.spawn(num_classes)):
            weights = stream.standard_normal((size, num_classes))
            for index in chunks(np.flatnonzero(labels == k), size):
                x = (images[index] - mean[:, None, None]) / std[:, None, None]
                p = flip_probabilities(x.reshape(len(index), size), weights, k, q[index])
                given[index] = (p.cumsum(1) > uniform[index, None]).argmax(1)
        return given


class OpenSetNoise(Section):
    """Open-set and closed-set noise together (Sachdeva et al. 2021, EvidentialMix).

    `rate` * N samples, drawn over the whole set, are noisy. A share `open_share` of them keep their label and get an
    image of another data set, which belongs to none of the classes; the rest keep their image and get a label drawn
    uniformly over all classes, the true one included.
    """

    kind: Literal["openset"] = "openset"
    """Names this kind of noise."""
    rate: Rate
    """Share of noisy samples, both sorts together (the nominal rate; rho in the paper)."""
    open_share: Rate
    """Share of the noisy samples whose image is exchanged (1 - omega in the paper)."""
    source: str
    """Name of the data set that the images come from, its training part; of the same shape, without overlap."""
    seed: Seed = 0
    """Of the draw; the same seed gives the same labels and images."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        """The closed-set part; the images are exchanged by `load_data`."""
        rng, chosen, count = self._noisy(labels)
        closed = chosen[count:]
        given = labels.copy()
        given[closed] = rng.integers(0, num_classes, len(closed))
        return given

    def replaced(self, labels: Labels) -> Labels:
        """Sorted indices of the samples whose images are exchanged."""
        _, chosen, count = self._noisy(labels)
        return np.sort(chosen[:count])

    def replacements(self, labels: Labels, available: int) -> Labels:
        """Indices into the other data set's `available` images, one for each of `replaced`, none twice. Raises
        ValueError: too few."""
        rng, _, count = self._noisy(labels)
        if count > available:
            raise ValueError(f"noise/source {self.source!r} has {available} images, the noise exchanges {count}")
        return rng.spawn(1)[0].permutation(available)[:count]

    def _noisy(self, labels: Labels) -> tuple[np.random.Generator, Labels, int]:
        """The generator, the noisy samples in random order, and how many of them, from the first, are open-set."""
        rng = np.random.default_rng(self.seed)
        chosen = rng.permutation(len(labels))[: round(self.rate * len(labels))]
        return rng, chosen, round(self.open_share * len(chosen))


class FileNoise(Section):
    """The given labels stand in a file, in the order of the training set."""

    kind: Literal["file"] = "file"
    """Names this kind of noise."""
    path: AbsolutePath
    """.npy (an array), .npz or .pt (named arrays), .json (a list, or named lists), .csv (columns)."""
    key: str | None = None
    """Name of the array or column; needed where the file holds several."""

    @model_validator(mode="after")
    def _exists(self, info: ValidationInfo) -> "FileNoise":
        """The file need not be here where the context is NOMINAL."""
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

    def _check_order(self, content: dict[str, Any], labels: Labels) -> None:
        """CIFAR-N's files name the true labels too, so that another order of the images is found out."""
        clean = np.asarray(content.get("clean_label", labels))
        if clean.shape == labels.shape and (differ := int((clean != labels).sum())):
            raise ValueError(
                f"label file {self.path}: its clean_label differs from the data set's true label at {differ} of "
                f"{len(labels)} images, so it is of other images or of another order"
            )


NOISE_KINDS = (NoNoise, SymmetricNoise, AsymmetricNoise, PairFlipNoise, InstanceNoise, OpenSetNoise, FileNoise)
NoiseSpec = Annotated[
    NoNoise | SymmetricNoise | AsymmetricNoise | PairFlipNoise | InstanceNoise | OpenSetNoise | FileNoise,
    Field(discriminator="kind"),
]
READ_IMAGES = ("instance",)
"""Kinds of noise that depend on the images."""
NOISE_ADAPTER: TypeAdapter[NoiseSpec] = TypeAdapter(NoiseSpec)


def transition_matrix(true: Labels, given: Labels, num_classes: int) -> NDArray[np.float64]:
    """Realised (K, K) matrix; row: true class, column: given class; rows sum to 1 (identity row for an absent
    class). Samples of none of the classes (true label -1) are left out."""
    counts = np.zeros((num_classes, num_classes))
    known = true >= 0
    np.add.at(counts, (true[known], given[known]), 1)
    absent = counts.sum(1) == 0
    counts[absent, absent] = 1
    matrix: NDArray[np.float64] = counts / counts.sum(1, keepdims=True)
    return matrix
