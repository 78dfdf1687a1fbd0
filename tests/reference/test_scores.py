"""Accuracies, calibration and the division's quality against scikit-learn, and against their definitions by loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch import Generator, Tensor

from codim.division.divide import Division
from codim.evaluation.calibration import expected_calibration_error, reliability
from codim.evaluation.evaluate import accuracy, top_k_accuracy
from codim.evaluation.observer import lowest_recall, split_quality
from codim.evaluation.scores import classification_scores, confusion_matrix, division_scores, fit_scores

cases = given(n=st.integers(1, 60), k=st.integers(2, 12), seed=st.integers(0, 10**6))


def draw(n: int, k: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = Generator().manual_seed(seed)
    return 4 * torch.randn(n, k, generator=generator), torch.randint(k, (n,), generator=generator)


@cases
def test_top_1_and_top_k(n: int, k: int, seed: int) -> None:
    logits, labels = draw(n, k, seed)
    for top in range(1, k):
        # scikit-learn takes two classes as one column: the probability of the second.
        scores = logits if k > 2 else logits.softmax(1)[:, 1]
        expected = metrics.top_k_accuracy_score(labels, scores, k=top, labels=range(k))
        assert top_k_accuracy(logits, labels, top) == pytest.approx(expected)
    assert accuracy(logits, labels) == top_k_accuracy(logits, labels, 1)
    assert math.isnan(top_k_accuracy(logits, labels, k))


@cases
def test_confusion_and_accuracy_per_class(n: int, k: int, seed: int) -> None:
    logits, labels = draw(n, k, seed)
    expected = metrics.confusion_matrix(labels, logits.argmax(1), labels=range(k))
    assert confusion_matrix(labels, logits.argmax(1), k).tolist() == expected.tolist()
    scores = classification_scores(logits, labels)
    assert scores["confusion"] == expected.tolist()
    per_class = metrics.recall_score(labels, logits.argmax(1), labels=range(k), average=None, zero_division=np.nan)
    np.testing.assert_allclose(scores["per_class_accuracy"], per_class)


def calibration_oracle(logits: Tensor, labels: Tensor, bins: int) -> tuple[float, list[tuple[int, float, float]]]:
    """Guo et al. 2017, eq. 3, with bins ((m - 1)/M, m/M], a sample at a time. ECE, and (n, confidence, accuracy)."""
    rows = []
    for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
        e = [math.exp(v - max(row)) for v in row]
        rows.append((max(e) / sum(e), row.index(max(row)) == label))
    total, found = 0.0, []
    for m in range(1, bins + 1):
        member = [(conf, hit) for conf, hit in rows if (m - 1) / bins < conf <= m / bins]
        if not member:
            found.append((0, math.nan, math.nan))
            continue
        conf, acc = (sum(column) / len(member) for column in zip(*member, strict=True))
        total += len(member) / len(rows) * abs(acc - conf)
        found.append((len(member), conf, acc))
    return total, found


@given(n=st.integers(1, 80), k=st.integers(2, 6), bins=st.sampled_from([1, 2, 15]), seed=st.integers(0, 10**6))
def test_calibration_is_its_equation(n: int, k: int, bins: int, seed: int) -> None:
    logits, labels = draw(n, k, seed)
    found = reliability(logits, labels, bins)
    ece, rows = calibration_oracle(logits, labels, bins)
    np.testing.assert_allclose(torch.stack(list(found), dim=1), rows, rtol=1e-9)
    assert expected_calibration_error(found) == pytest.approx(ece, rel=1e-9, abs=1e-12)


def test_calibration_by_hand() -> None:
    """Four predictions at 3/4 (bin 12 of 15: .7333 to .8), of which two are right; one of certainty, wrong."""
    logits = torch.tensor([[0.75, 0.25]] * 4 + [[1.0, 0.0]], dtype=torch.float64).log()
    bins = reliability(logits, torch.tensor([0, 0, 1, 1, 1]))
    assert bins.samples.tolist() == [0] * 11 + [4, 0, 0, 1]
    assert bins.confidence[[11, 14]].tolist() == pytest.approx([0.75, 1])
    assert bins.accuracy[[11, 14]].tolist() == [0.5, 0]
    assert expected_calibration_error(bins) == pytest.approx((4 * 0.25 + 1) / 5)


def test_a_confidence_on_an_edge_belongs_to_the_lower_bin() -> None:
    bins = reliability(torch.zeros(1, 2), torch.tensor([0]), bins=2)
    assert bins.samples.tolist() == [1, 0]


def test_calibration_hides_neither_missing_samples_nor_logits_that_are_no_numbers() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert math.isnan(expected_calibration_error(reliability(torch.zeros(0, 3), empty)))
    broken = torch.tensor([[float("nan"), 0, 0], [5, 0, 0]])
    assert math.isnan(expected_calibration_error(reliability(broken, torch.tensor([0, 0]))))


def split(n: int, k: int, seed: int) -> tuple[Division, Tensor, Tensor, Tensor]:
    """A division, given labels, true labels (-1: no class) and which given labels are clean."""
    generator = Generator().manual_seed(seed)
    true = torch.randint(-1, k, (n,), generator=generator)
    wrong = torch.rand(n, generator=generator) < torch.rand(1, generator=generator)
    labels = torch.where(wrong | (true < 0), torch.randint(k, (n,), generator=generator), true)
    w = (torch.rand(n, generator=generator) * 8).round() / 8  # with ties
    return Division(torch.arange(n), w, w > 0.4, 0.4, 1.0, "ok"), labels, true, labels == true


def same(found: float, expected: float) -> bool:
    return found == pytest.approx(expected, nan_ok=True)


@cases
def test_quality_of_a_division(n: int, k: int, seed: int) -> None:
    division, labels, _, clean = split(n, k, seed)

    def check(found: dict[str, float], member: Tensor) -> None:
        truth, chosen = clean[member].numpy(), division.labelled[member].numpy()
        both = 0 < truth.sum() < len(truth)
        auc = metrics.roc_auc_score(truth, division.clean_probability[member].numpy()) if both else math.nan
        precision, recall = (
            score(truth, chosen, zero_division=np.nan) if len(truth) else math.nan
            for score in (metrics.precision_score, metrics.recall_score)
        )
        assert same(found["auc"], auc)
        assert same(found["precision"], precision)
        assert same(found["recall"], recall)
        assert same(found["labelled_noise"], (chosen & ~truth).sum() / chosen.sum() if chosen.any() else math.nan)
        assert same(found["labelled_share"], chosen.mean() if len(chosen) else math.nan)

    scores = division_scores(division, labels, clean, k)
    check(scores, torch.ones(n, dtype=torch.bool))
    for c in range(k):
        check({name: values[c] for name, values in scores["per_class"].items()}, labels == c)
    assert same(scores["auc"], split_quality(division.clean_probability, division.labelled, clean).auc)


@cases
def test_lowest_recall_is_over_the_true_classes(n: int, k: int, seed: int) -> None:
    division, labels, true, clean = split(n, k, seed)
    recalls = []
    for c in range(k):
        members = [i for i in range(n) if true[i] == c and clean[i]]
        if members:
            recalls.append(sum(bool(division.labelled[i]) for i in members) / len(members))
    assert same(lowest_recall(division.labelled, clean, labels), min(recalls, default=math.nan))


def test_unknown_truth_leaves_the_labelled_share() -> None:
    division, labels, _, _ = split(20, 3, 0)
    scores = division_scores(division, labels, None, 3)
    assert scores["labelled_share"] == division.labelled.double().mean()
    assert all(math.isnan(scores[name]) for name in ("auc", "precision", "recall", "labelled_noise"))
    assert all(math.isnan(v) for v in scores["per_class"]["recall"])


@cases
def test_fit(n: int, k: int, seed: int) -> None:
    _, labels, true, clean = split(n, k, seed)
    predicted = torch.randint(k, (n,), generator=Generator().manual_seed(seed + 1))
    found = fit_scores(predicted, labels, true, clean)
    rows = list(zip(predicted.tolist(), labels.tolist(), true.tolist(), strict=True))

    def mean(hits: list[bool]) -> float:
        return sum(hits) / len(hits) if hits else math.nan

    assert same(found["clean"], mean([p == y for p, y, t in rows if y == t]))
    assert same(found["memorised"], mean([p == y for p, y, t in rows if y != t]))
    assert same(found["corrected"], mean([p == t for p, y, t in rows if y != t and t >= 0]))
