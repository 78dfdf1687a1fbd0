"""Each kind of noise against its definition: sample by sample from the same random draws, in the share of every pair of
classes, and, for labels from files, in files written byte by byte.

Instance-dependent noise has a file of its own.
"""

import math
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codim.noise.file import FileNoise
from codim.noise.kinds import NOISE_ADAPTER, NOISE_KINDS
from codim.noise.openset import OpenSetNoise
from codim.noise.transition import transition_matrix

Given = list[int]
Targets = dict[int, list[int]]
"""Class -> the classes that it may be taken for, each as likely."""
NO_IMAGES = np.zeros((0, 1, 1, 1), dtype=np.uint8)

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SUPERCLASSES = [
    words.split()
    for words in """beaver dolphin otter seal whale
aquarium_fish flatfish ray shark trout
orchid poppy rose sunflower tulip
bottle bowl can cup plate
apple mushroom orange pear sweet_pepper
clock keyboard lamp telephone television
bed chair couch table wardrobe
bee beetle butterfly caterpillar cockroach
bear leopard lion tiger wolf
bridge castle house road skyscraper
cloud forest mountain plain sea
camel cattle chimpanzee elephant kangaroo
fox porcupine possum raccoon skunk
crab lobster snail spider worm
baby boy girl man woman
crocodile dinosaur lizard snake turtle
hamster mouse rabbit shrew squirrel
maple_tree oak_tree palm_tree pine_tree willow_tree
bicycle bus motorcycle pickup_truck train
lawn_mower rocket streetcar tank tractor""".splitlines()
]
"""Of CIFAR-100, by name (Krizhevsky 2009, table 1, in the names of its meta file)."""
CIFAR100 = sorted(name for names in SUPERCLASSES for name in names)
"""Fine ids stand in the order of the alphabet."""


def ids(names: list[str]) -> list[int]:
    return [CIFAR100.index(name) for name in names]


def after(own: list[int], y: int) -> int:
    return own[(own.index(y) + 1) % len(own)]


def family(y: int) -> list[int]:
    """The superclass of a fine id, in rising order."""
    return next(sorted(ids(names)) for names in SUPERCLASSES if CIFAR100[y] in names)


def targets(name: str) -> Targets:
    if name == "cifar10":
        pairs = ["truck automobile", "bird airplane", "deer horse", "cat dog", "dog cat"]
        return {CIFAR10.index(a): [CIFAR10.index(b)] for a, b in map(str.split, pairs)}
    if name == "digits":
        return {2: [7], 3: [8], 5: [6], 6: [5], 7: [1]}
    one: dict[str, Callable[[int], list[int]]] = {
        "superclass-next": lambda y: [after(family(y), y)],
        "superclass-uniform": lambda y: [j for j in family(y) if j != y],
        "block5-next": lambda y: [y // 5 * 5 + (y % 5 + 1) % 5],
        "next": lambda y: [(y + 1) % 100],
    }
    return {y: one[name](y) for y in range(100)}


KINDS: list[dict[str, Any]] = [
    {"kind": "none"},
    {"kind": "symmetric", "include_true": True},
    {"kind": "symmetric", "include_true": False},
    *({"kind": "asymmetric", "map": name} for name in ("cifar10", "digits")),
    *({"kind": "asymmetric", "map": f"superclass-{name}"} for name in ("next", "uniform")),
    *({"kind": "asymmetric", "map": name} for name in ("block5-next", "next")),
    {"kind": "pairflip"},
    {"kind": "openset", "open_share": 0.25, "source": "other"},
]


def classes(kind: dict[str, Any]) -> int:
    return 100 if "next" in kind.get("map", "") or "uniform" in kind.get("map", "") else 10


def found(kind: dict[str, Any], k: int, rate: float, seed: int, true: Given) -> Given:
    settings = kind if kind["kind"] == "none" else {**kind, "rate": rate, "seed": seed}
    return NOISE_ADAPTER.validate_python(settings).apply(np.array(true), k, NO_IMAGES).tolist()  # type: ignore[no-any-return]


def literal(kind: dict[str, Any], k: int, rate: float, seed: int, true: Given) -> Given:
    """The given labels, one sample after the other, from the draws in the order in which the code takes them."""
    n, rng = len(true), np.random.default_rng(seed)
    labels = list(true)
    if kind["kind"] in ("symmetric", "openset"):
        noisy = rng.permutation(n).tolist()[: round(rate * n)]
        closed = noisy[round(kind.get("open_share", 0) * len(noisy)) :]
        if kind.get("include_true", True):
            for i, drawn in zip(closed, rng.integers(0, k, len(closed)).tolist(), strict=True):
                labels[i] = drawn
        else:
            for i, steps in zip(closed, rng.integers(1, k, len(closed)).tolist(), strict=True):
                for _ in range(steps):
                    labels[i] = 0 if labels[i] == k - 1 else labels[i] + 1
    elif kind["kind"] == "asymmetric":
        to = targets(kind["map"])
        flips, choice = rng.random(n).tolist(), rng.integers(0, len(next(iter(to.values()))), n).tolist()
        for i, y in enumerate(true):
            if flips[i] < rate and y in to:
                labels[i] = to[y][choice[i]]
    elif kind["kind"] == "pairflip":
        for i, uniform in enumerate(rng.random(n).tolist()):
            if uniform < rate:
                labels[i] = 0 if true[i] == k - 1 else true[i] + 1
    return labels


def matrix(kind: dict[str, Any], rate: float) -> list[list[float]]:
    """T[i][j]: the probability that a sample of class i is given class j, as the definition says it."""
    k = classes(kind)
    rows = [[float(i == j) for j in range(k)] for i in range(k)]
    for i in range(k):
        if kind["kind"] == "pairflip":
            others = {(i + 1) % k: rate}
        elif kind["kind"] == "asymmetric":
            to = targets(kind["map"]).get(i, [])
            others = {j: rate / len(to) for j in to}
        elif kind["kind"] == "none":
            others = {}
        else:
            drawn = rate * (1 - kind.get("open_share", 0))
            each = drawn / k if kind.get("include_true", True) else drawn / (k - 1)
            others = {j: each for j in range(k) if j != i}
        for j, share in others.items():
            rows[i][j] = share
        rows[i][i] = 1 - sum(others.values())
    return rows


def plausible(count: int, n: int, p: float, alarm: float) -> bool:
    """Whether `count` of n trials of probability p is no further off than by chance; false with probability `alarm` at
    most, by Chernoff's bound, which holds for draws without replacement too (Hoeffding 1963)."""
    share = count / n
    pairs = ((share, p), (1 - share, 1 - p))
    if any(a > 0 and b <= 0 for a, b in pairs):
        return False
    return n * sum(a * math.log(a / b) for a, b in pairs if a > 0) <= math.log(2 / alarm)


def test_every_kind_has_an_oracle() -> None:
    here = {kind["kind"] for kind in KINDS} | {"file", "instance"}
    assert here == set(NOISE_KINDS)


@given(st.sampled_from(KINDS), st.integers(2, 20), st.floats(0, 1), st.integers(0, 10**6), st.integers(1, 300))
def test_each_sample_gets_the_label_of_the_definition(
    kind: dict[str, Any], k: int, rate: float, seed: int, n: int
) -> None:
    k = classes(kind) if "map" in kind else k
    true = np.random.default_rng(seed + 1).integers(0, k, n).tolist()
    assert found(kind, k, rate, seed, true) == literal(kind, k, rate, seed, true)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("rate", [0.2, 0.8])
def test_each_pair_of_classes_has_its_share(kind: dict[str, Any], rate: float) -> None:
    """Another seed would fail with a probability of 1e-6 at most."""
    n, k, expected = 200_000, classes(kind), matrix(kind, rate)
    true = np.random.default_rng(1).integers(0, k, n).tolist()
    given_labels = found(kind, k, rate, 0, true)
    counts = [[0] * k for _ in range(k)]
    for y, label in zip(true, given_labels, strict=True):
        counts[y][label] += 1
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            assert plausible(count, sum(row), expected[i][j], 1e-6 / k**2), (i, j)
    shares = [[count / sum(row) for count in row] for row in counts]
    np.testing.assert_allclose(transition_matrix(np.array(true), np.array(given_labels), k), shares, rtol=1e-12)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8, 0.9])
def test_the_number_of_wrong_labels_of_symmetric_noise(rate: float) -> None:
    """On 50,000 labels: exactly the nominal rate where the true class is left out; with it r (1 - 1/K) of them, as
    DivideMix's label files have it (.179, .450, .721, .808)."""
    true = [i % 10 for i in range(50_000)]

    def wrong(include_true: bool) -> int:
        kind = {"kind": "symmetric", "include_true": include_true}
        return sum(a != b for a, b in zip(found(kind, 10, rate, 0, true), true, strict=True))

    assert wrong(include_true=False) == round(rate * 50_000)
    assert plausible(wrong(include_true=True), round(rate * 50_000), 0.9, 1e-6)


def test_what_the_literature_says_of_the_maps() -> None:
    """The oracle itself. Of balanced classes: CIFAR-10's "asymmetric 40 %" is 20 % of all labels; of CIFAR-100's four
    definitions two stay within the superclass, and two leave it with 94 % of their flips."""
    assert np.trace(matrix({"kind": "asymmetric", "map": "cifar10"}, 0.4)) == pytest.approx(10 * 0.8)
    stays = {}
    for name in ("superclass-next", "superclass-uniform", "block5-next", "next"):
        stays[name] = np.mean([j in family(y) for y, to in targets(name).items() for j in to])
    assert stays == {"superclass-next": 1, "superclass-uniform": 1, "block5-next": 0.06, "next": 0.06}


@given(rate=st.floats(0, 1), share=st.floats(0, 1), seed=st.integers(0, 10**6))
def test_open_set_images_are_exchanged_as_the_definition_says(rate: float, share: float, seed: int) -> None:
    """Of the noisy samples in random order the first ones; each gets an image of its own."""
    noise = OpenSetNoise(rate=rate, open_share=share, source="other", seed=seed)
    labels, available = np.zeros(200, dtype=np.int64), 300
    rng = np.random.default_rng(seed)
    exchanged = []
    noisy = rng.permutation(200).tolist()[: round(rate * 200)]
    for place, i in enumerate(noisy):
        if place < round(share * len(noisy)):
            exchanged.append(i)
    foreign = rng.spawn(1)[0].permutation(available).tolist()
    assert noise.replaced(labels).tolist() == sorted(exchanged)
    assert noise.replacements(labels, available).tolist() == foreign[: len(exchanged)]


def npy(labels: Given) -> bytes:
    """NumPy's format 1.0, from its specification."""
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({len(labels)},), }}"
    header = header.ljust(64 * math.ceil((len(header) + 11) / 64) - 11) + "\n"
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header.encode()
        + struct.pack(f"<{len(labels)}q", *labels)
    )


def write(path: Path, labels: Given) -> None:
    if path.suffix == ".npy":
        path.write_bytes(npy(labels))
    elif path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("labels.npy", npy(labels))
    elif path.suffix == ".json":
        path.write_text("[" + ", ".join(str(label) for label in labels) + "]")
    elif path.suffix == ".csv":
        path.write_text("index,labels\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    else:
        torch.save({"labels": torch.tensor(labels)}, path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".json", ".csv", ".pt"])
def test_a_label_file_gives_each_sample_its_label(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    true, labels = rng.integers(0, 7, 100), rng.integers(0, 7, 100).tolist()
    write(tmp_path / f"labels{suffix}", labels)
    given_labels = FileNoise(path=tmp_path / f"labels{suffix}").apply(true, 7, NO_IMAGES)
    assert [int(label) for label in given_labels] == labels
