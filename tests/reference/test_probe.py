"""The probes of an encoder against scikit-learn's neighbours, and by features whose classes are known."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from torch import Generator, Tensor

from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.evaluation import probe as module
from codim.evaluation.probe import knn_accuracy, linear_accuracy, probe
from codim.models.network import seeded_network


def features(n: int, seed: int, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """(N, 6) around one of three directions, and its number."""
    generator = Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    return 2 * torch.eye(3, 6)[labels] + spread * torch.randn(n, 6, generator=generator), labels


@given(
    n=st.integers(1, 80),
    m=st.integers(1, 30),
    k=st.integers(1, 30),
    t=st.sampled_from([0.07, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_neighbours_vote_as_in_scikit_learn(n: int, m: int, k: int, t: float, seed: int) -> None:
    x, y = features(n, seed)
    test_x, test_y = features(m, seed + 1)

    def weights(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp((1 - distance) / t)

    oracle = KNeighborsClassifier(min(k, n), weights=weights, metric="cosine", algorithm="brute").fit(x.double(), y)
    expected = oracle.score(test_x.double(), test_y)
    assert knn_accuracy(x.double(), y, test_x.double(), test_y, 3, k, t) == pytest.approx(expected)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = features(50, 0)
    test_x, test_y = features(33, 1)
    whole = knn_accuracy(x, y, test_x, test_y, 3)
    for held in (1, 50 * 7):
        monkeypatch.setattr(module, "SIMILARITIES", held)
        assert knn_accuracy(x, y, test_x, test_y, 3) == whole


def test_a_small_temperature_is_the_nearest_neighbour() -> None:
    x, y = features(60, 0, spread=1.5)
    test_x, test_y = features(60, 1, spread=1.5)
    nearest = knn_accuracy(x, y, test_x, test_y, 3, k=1)
    assert knn_accuracy(x, y, test_x, test_y, 3, k=20, temperature=1e-5) == nearest
    assert knn_accuracy(x, y, test_x, test_y, 3, k=20, temperature=1.0) != nearest


def test_a_linear_classifier_finds_what_a_line_divides() -> None:
    """Also where the features that matter are dwarfed by another."""
    x, y = features(300, 0, spread=0.3)
    test_x, test_y = features(300, 1, spread=0.3)
    scale = torch.tensor([1e-3, 1e-3, 1e-3, 1, 1, 1e3])
    assert linear_accuracy(x * scale, y, test_x * scale, test_y) > 0.95
    shuffled = y[torch.randperm(300, generator=Generator().manual_seed(0))]
    assert linear_accuracy(x * scale, shuffled, test_x * scale, test_y) < 0.6


def test_one_class_only() -> None:
    x, _ = features(10, 0)
    zeros = torch.zeros(10, dtype=torch.int64)
    assert linear_accuracy(x, zeros, x, torch.tensor([0, 1] * 5)) == 0.5
    assert knn_accuracy(x, zeros, x, torch.tensor([0, 1] * 5), 2) == 0.5


def test_probe_reads_the_encoder_and_the_given_labels(tiny: Callable[..., tuple[TrainConfig, TrainingData]]) -> None:
    config, data = tiny()
    net = seeded_network(config.network, 1, 10, 0).eval()
    augmenter = Augmenter.fit(config.augment, data.images)
    with torch.no_grad():
        x = net.encoder(augmenter.plain(data.images))
    train, val = data.train_index, data.val_index
    parts = x[train], data.labels[train], x[val], data.labels[val]
    assert probe(net, data, augmenter) == (knn_accuracy(*parts, 10), linear_accuracy(*parts))
    assert all(map(math.isnan, probe(net, replace(data, val_index=val[:0]), augmenter)))
