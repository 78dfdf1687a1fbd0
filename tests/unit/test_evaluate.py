"""Accuracy, predictions, and the observer's measures by hand-made values."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from codim.augment import AugmentConfig, Augmenter
from codim.datasets import TrainingData, Truth
from codim.divide import Division
from codim.evaluate import Observer, accuracy, predict
from codim.networks import Network, NetworkConfig, seeded_network

CLASSES = 3


def images(n: int) -> Tensor:
    return torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def augmenter() -> Augmenter:
    return Augmenter.fit(AugmentConfig(), images(20))


@pytest.fixture
def networks() -> list[Network]:
    return [seeded_network(NetworkConfig(width=4), 1, CLASSES, seed) for seed in (0, 1)]


def division(w: list[float], threshold: float) -> Division:
    probability = torch.tensor(w)
    return Division(torch.arange(len(probability)), probability, probability > threshold, threshold, 3.0, "ok")


def test_accuracy_by_hand() -> None:
    logits = torch.tensor([[2.0, 1, 0], [0, 1, 2], [0, 3, 2], [5, 0, 0]])
    assert accuracy(logits, torch.tensor([0, 2, 2, 1])) == 0.5
    assert math.isnan(accuracy(logits[:0], torch.tensor([], dtype=torch.int64)))


def test_predict_reads_the_images_in_order_and_in_any_chunks(networks: list[Network], augmenter: Augmenter) -> None:
    x = images(20)
    for net in networks:
        net.train()
    found = predict(networks, x, augmenter, batch_size=7)
    assert found.shape == (2, 20, CLASSES)
    assert not found.requires_grad
    assert not any(net.training for net in networks)
    for k, net in enumerate(networks):
        for i in (0, 6, 7, 19):
            torch.testing.assert_close(found[k, i], net(augmenter.plain(x[i : i + 1]))[0], atol=1e-5, rtol=1e-4)


def make(given: list[int], true: list[int], train_index: list[int], test_labels: Tensor) -> tuple[TrainingData, Truth]:
    n, index = len(given), torch.tensor(train_index)
    held_out = torch.tensor([i for i in range(n) if i not in train_index], dtype=torch.int64)
    data = TrainingData(images(n), torch.tensor(given), index, held_out, ("a", "b", "c"))
    truth = Truth(torch.tensor(true), images(len(test_labels)), test_labels, 0.5, np.eye(CLASSES))
    return data, truth


def one_hot(labels: list[int]) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), CLASSES).float()


def test_quality_of_the_split_and_memorised_labels(networks: list[Network], augmenter: Augmenter) -> None:
    """Image 0 is held out. Of images 1 to 6, 1 to 4 are clean; 5 and 6 carry wrong labels."""
    data, truth = make([0, 0, 1, 2, 0, 1, 2], [1, 0, 1, 2, 0, 0, 1], [1, 2, 3, 4, 5, 6], torch.tensor([0, 1]))
    observer = Observer(data, truth, augmenter)
    a = division([0.9, 0.8, 0.7, 0.3, 0.6, 0.1], 0.5)
    b = division([0.9, 0.8, 0.7, 0.6, 0.2, 0.1], 0.5)
    predicted = [0, 0, 1, 2, 0, 1, 0]  # image 5: its wrong label; image 6: another one
    logits = torch.stack([one_hot(predicted), torch.zeros(7, CLASSES)])
    found = observer.measure(networks, logits, [a, b])
    assert found.oracle_split_auc == pytest.approx((7 / 8 + 1) / 2)
    assert found.oracle_split_precision == pytest.approx((3 / 4 + 1) / 2)
    assert found.oracle_split_recall == pytest.approx((3 / 4 + 1) / 2)
    assert found.oracle_memorised == 0.5


def test_what_has_no_value_is_nan(networks: list[Network], augmenter: Augmenter) -> None:
    data, truth = make([0, 1, 2], [0, 1, 2], [0, 1, 2], torch.tensor([0, 1]))
    observer = Observer(data, truth, augmenter)
    before_co_training = observer.measure(networks, torch.zeros(2, 3, CLASSES), [])
    assert math.isnan(before_co_training.oracle_split_auc)
    assert math.isnan(before_co_training.oracle_split_precision)
    assert math.isnan(before_co_training.oracle_memorised), "no label is wrong"
    all_clean = observer.measure(networks, torch.zeros(2, 3, CLASSES), [division([0.9, 0.8, 0.1], 0.5)] * 2)
    assert math.isnan(all_clean.oracle_split_auc)
    assert all_clean.oracle_split_precision == 1
    assert all_clean.oracle_split_recall == pytest.approx(2 / 3)


def test_test_accuracy_of_each_network_and_of_the_sum_of_logits(networks: list[Network], augmenter: Augmenter) -> None:
    labels = torch.arange(40) % CLASSES
    data, truth = make([0, 1], [0, 1], [0, 1], labels)
    truth = Truth(truth.labels, images(40), labels, 0.0, np.eye(CLASSES))
    found = Observer(data, truth, augmenter).measure(networks, torch.zeros(2, 2, CLASSES), [])
    logits = [[net(augmenter.plain(x[None]))[0].tolist() for x in images(40)] for net in networks]
    both = [[p + q for p, q in zip(a, b, strict=True)] for a, b in zip(*logits, strict=True)]
    expected = [
        sum(row.index(max(row)) == y for row, y in zip(rows, labels.tolist(), strict=True)) / 40
        for rows in (both, *logits)
    ]
    assert [found.oracle_test_acc, found.oracle_test_acc_a, found.oracle_test_acc_b] == expected
