"""Accuracy, predictions, and the observer's measures by hand-made values."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from codim.config.augment import AugmentConfig
from codim.config.network import NetworkConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData, Truth
from codim.division.divide import Division
from codim.evaluation.evaluate import Evaluation, accuracy, evaluate
from codim.evaluation.observer import Observer
from codim.evaluation.predict import predict
from codim.models.network import Network, seeded_network

CLASSES = 3


def images(n: int) -> Tensor:
    return torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def augmenter() -> Augmenter:
    return Augmenter.fit(AugmentConfig(), images(20))


@pytest.fixture
def networks() -> list[Network]:
    return [seeded_network(NetworkConfig(width=4), 1, CLASSES, seed) for seed in (0, 1)]


def division(w: list[float], threshold: float, first: int = 0) -> Division:
    """Of the images from `first` on."""
    probability = torch.tensor(w)
    return Division(torch.arange(first, first + len(w)), probability, probability > threshold, threshold, 3.0, "ok")


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
    truth = Truth(
        labels=torch.tensor(true),
        test_images=images(len(test_labels)),
        test_labels=test_labels,
        noise_rate=0.5,
        transition=np.eye(CLASSES),
        clean=torch.tensor(given) == torch.tensor(true),
    )
    return data, truth


def after(data: TrainingData, predicted: list[int] | None = None) -> Evaluation:
    """An epoch in whose end the ensemble takes the images for these classes; the first class where none are given."""
    found = torch.tensor(predicted or [0] * len(data.labels))[data.train_index]
    agrees = found == data.labels[data.train_index]
    return Evaluation(data.train_index, torch.zeros(2, len(found)), agrees, *[math.nan] * 4)


def test_one_pass_after_an_epoch(
    networks: list[Network], augmenter: Augmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces or at once, of some images of the training part only, against the outputs of single passes."""
    labels = (torch.arange(40) % CLASSES).tolist()
    data, _ = make(labels, labels, [*range(5, 40)], torch.tensor([0]))
    index = torch.tensor([9, 7, 30, 31, 39, 5, 6])
    whole = evaluate(networks, data, augmenter, index)
    monkeypatch.setattr("codim.evaluation.evaluate.EVALUATED", 3)
    pieces = evaluate(networks, data, augmenter, index)
    logits = predict(networks, data.images, augmenter)
    given = data.labels
    for found in (whole, pieces):
        assert torch.equal(found.images, index)
        expected = -logits.log_softmax(2)[:, index, given[index]]
        torch.testing.assert_close(found.losses, expected)
        assert torch.equal(found.agrees, logits.sum(0)[index].argmax(1) == given[index])
        val = logits[:, :5]
        assert found.val_acc == (val.sum(0).argmax(1) == given[:5]).double().mean()
        assert [found.val_acc_a, found.val_acc_b] == (val.argmax(2) == given[:5]).double().mean(1).tolist()
        assert found.val_loss == pytest.approx(-val.mean(0).log_softmax(1)[range(5), given[:5]].mean().item(), rel=1e-5)


def test_one_pass_without_a_validation_part(networks: list[Network], augmenter: Augmenter) -> None:
    data, _ = make([0, 1], [0, 1], [0, 1], torch.tensor([0]))
    found = evaluate(networks, data, augmenter, data.train_index)
    assert all(map(math.isnan, found[3:]))


def test_quality_of_the_split_and_memorised_labels(networks: list[Network], augmenter: Augmenter) -> None:
    """Image 0 is held out. Of images 1 to 6, 1 to 4 are clean; 5 and 6 carry wrong labels."""
    data, truth = make([0, 0, 1, 2, 0, 1, 2], [1, 0, 1, 2, 0, 0, 1], [1, 2, 3, 4, 5, 6], torch.tensor([0, 1]))
    observer = Observer(data, truth, augmenter)
    a = division([0.9, 0.8, 0.7, 0.3, 0.6, 0.1], 0.5, first=1)
    b = division([0.9, 0.8, 0.7, 0.6, 0.2, 0.1], 0.5, first=1)
    predicted = [0, 0, 1, 2, 0, 1, 0]  # image 5: its wrong label; image 6: another one
    found = observer.measure(networks, after(data, predicted), [a, b])
    assert found.oracle_split_auc == pytest.approx((7 / 8 + 1) / 2)
    assert found.oracle_split_precision == pytest.approx((3 / 4 + 1) / 2)
    assert found.oracle_split_recall == pytest.approx((3 / 4 + 1) / 2)
    assert found.oracle_split_recall_min == 1 / 2, "A leaves out image 4, one of two clean ones of class 0"
    assert found.oracle_memorised == 0.5


def test_what_has_no_value_is_nan(networks: list[Network], augmenter: Augmenter) -> None:
    data, truth = make([0, 1, 2], [0, 1, 2], [0, 1, 2], torch.tensor([0, 1]))
    observer = Observer(data, truth, augmenter)
    before_co_training = observer.measure(networks, after(data), [])
    assert math.isnan(before_co_training.oracle_split_auc)
    assert math.isnan(before_co_training.oracle_split_precision)
    assert math.isnan(before_co_training.oracle_split_recall_min)
    assert math.isnan(before_co_training.oracle_test_top5), "three classes"
    assert math.isnan(before_co_training.oracle_test2_acc)
    assert math.isnan(before_co_training.oracle_memorised), "no label is wrong"
    all_clean = observer.measure(networks, after(data), [division([0.9, 0.8, 0.1], 0.5)] * 2)
    assert math.isnan(all_clean.oracle_split_auc)
    assert all_clean.oracle_split_precision == 1
    assert all_clean.oracle_split_recall == pytest.approx(2 / 3)


def test_test_accuracy_of_each_network_and_of_the_sum_of_logits(networks: list[Network], augmenter: Augmenter) -> None:
    labels = torch.arange(40) % CLASSES
    data, truth = make([0, 1], [0, 1], [0, 1], labels)
    found = Observer(data, truth, augmenter).measure(networks, after(data), [])
    logits = [[net(augmenter.plain(x[None]))[0].tolist() for x in images(40)] for net in networks]
    both = [[p + q for p, q in zip(a, b, strict=True)] for a, b in zip(*logits, strict=True)]
    expected = [
        sum(row.index(max(row)) == y for row, y in zip(rows, labels.tolist(), strict=True)) / 40
        for rows in (both, *logits)
    ]
    assert [found.oracle_test_acc, found.oracle_test_acc_a, found.oracle_test_acc_b] == expected


def test_an_image_of_none_of_the_classes_carries_a_wrong_label(networks: list[Network], augmenter: Augmenter) -> None:
    """Image 2; it counts where wrong labels do, and for no true class."""
    data, truth = make([0, 1, 1], [0, 1, -1], [0, 1, 2], torch.tensor([0, 1]))
    observer = Observer(data, truth, augmenter)
    found = observer.measure(
        networks, after(data, [0, 1, 1]), [division([0.9, 0.8, 0.7], 0.5), division([0.9, 0.1, 0.7], 0.5)]
    )
    assert found.oracle_memorised == 1
    assert found.oracle_split_precision == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.oracle_split_auc == pytest.approx((1 + 1 / 2) / 2)
    assert found.oracle_split_recall_min == 0, "B leaves out image 1, the only clean one of class 1"


def test_where_nobody_knows_the_true_labels(networks: list[Network], augmenter: Augmenter) -> None:
    data, truth = make([0, 1, 1], [-1, -1, -1], [0, 1, 2], torch.tensor([0, 1]))
    observer = Observer(data, replace(truth, clean=None), augmenter)
    found = observer.measure(networks, after(data), [division([0.9, 0.8, 0.1], 0.5)] * 2)
    values = asdict(found)
    assert values.pop("oracle_loss_histogram") == []
    for name, value in values.items():
        assert math.isnan(value) == (
            name not in ("oracle_test_acc", "oracle_test_acc_a", "oracle_test_acc_b", "oracle_test_ece")
        ), name


def test_without_a_test_part(networks: list[Network], augmenter: Augmenter) -> None:
    data, truth = make([0, 1, 1], [0, 1, 2], [0, 1, 2], torch.tensor([], dtype=torch.int64))
    found = Observer(data, truth, augmenter).measure(networks, after(data), [])
    assert found.oracle_memorised == 0
    assert all(math.isnan(value) for name, value in asdict(found).items() if name.startswith("oracle_test"))


def test_both_test_parts_in_one_pass_each(augmenter: Augmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight classes, so that the five best leave some out."""
    networks = [seeded_network(NetworkConfig(width=4), 1, 8, seed) for seed in (0, 1)]
    labels = torch.arange(40) % 8
    data, truth = make([0, 1], [0, 1], [0, 1], labels)
    second = 255 - images(24)
    logits = predict(networks, second, augmenter)
    second_labels = labels[:24].clone()
    second_labels[:12] = logits.sum(0)[:12].argmax(1)
    truth = replace(truth, second_test_images=second, second_test_labels=second_labels)
    seen = []
    monkeypatch.setattr(
        "codim.evaluation.observer.predict", lambda n, x, *rest: (seen.append(len(x)), predict(n, x, *rest))[1]
    )
    found = Observer(data, truth, augmenter).measure(networks, after(data), [])
    assert seen == [40, 24]

    def top5(x: Tensor, labels: Tensor) -> float:
        rows = predict(networks, x, augmenter).sum(0).tolist()
        best = [sorted(range(8), key=lambda c: -row[c])[:5] for row in rows]
        return sum(y in five for y, five in zip(labels.tolist(), best, strict=True)) / len(x)

    assert (found.oracle_test_top5, found.oracle_test2_top5) == (top5(images(40), labels), top5(second, second_labels))
    assert found.oracle_test2_acc == accuracy(logits.sum(0), second_labels) > 0.5
    assert accuracy(logits[0], second_labels) < 0.5
    probability = predict(networks, images(40), augmenter).mean(0).softmax(1)
    assert found.oracle_test_ece == pytest.approx(ece(probability, labels), abs=1e-6)


def ece(probability: Tensor, labels: Tensor) -> float:
    """Untrained networks are sure of nothing: all confidences lie in a few of the 15 bins."""
    rows = [(max(p), p.index(max(p)) == y) for p, y in zip(probability.tolist(), labels.tolist(), strict=True)]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, hit in rows:
        bins.setdefault(math.ceil(15 * confidence), []).append((confidence, hit))
    return sum(abs(sum(c - h for c, h in members)) for members in bins.values()) / len(rows)
