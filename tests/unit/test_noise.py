"""Definitions of the noise kinds, as properties of the labels they give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from codim.datasets import load_data, stratified_split
from codim.noise import CLASS_MAPS, NOISE_ADAPTER, Labels, NoiseSpec, transition_matrix

KINDS: list[dict[str, Any]] = [
    {"kind": "symmetric", "include_true": True},
    {"kind": "symmetric", "include_true": False},
    {"kind": "asymmetric", "map": "cifar10"},
    {"kind": "asymmetric", "map": "digits"},
    {"kind": "pairflip"},
]
rates = st.floats(0, 1)
seeds = st.integers(0, 10**6)


def noise(**settings: Any) -> NoiseSpec:
    return NOISE_ADAPTER.validate_python(settings)


def true_labels(seed: int, n: int = 2000, k: int = 10) -> Labels:
    return np.random.default_rng(seed + 1).integers(0, k, n)


def within(count: int, n: int, p: float) -> bool:
    low, high = stats.binom.interval(1 - 1e-6, n, p)
    return bool(low <= count <= high)


@given(kind=st.sampled_from(KINDS), rate=rates, seed=seeds)
def test_labels_stay_labels_and_the_true_ones_are_not_touched(kind: dict[str, Any], rate: float, seed: int) -> None:
    labels = true_labels(seed)
    before = labels.copy()
    given_labels = noise(**kind, rate=rate, seed=seed).apply(labels, 10)
    assert np.array_equal(labels, before)
    assert not np.shares_memory(given_labels, labels)
    assert given_labels.dtype == np.int64
    assert given_labels.shape == labels.shape
    assert given_labels.min() >= 0
    assert given_labels.max() < 10


@given(kind=st.sampled_from(KINDS), rate=rates, seed=seeds)
def test_rows_of_the_transition_matrix_sum_to_1(kind: dict[str, Any], rate: float, seed: int) -> None:
    labels = true_labels(seed, n=40)
    matrix = transition_matrix(labels, noise(**kind, rate=rate, seed=seed).apply(labels, 10), 10)
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert (matrix >= 0).all()


def test_transition_matrix_by_hand() -> None:
    matrix = transition_matrix(np.array([0, 0, 0, 0, 1]), np.array([0, 0, 1, 2, 1]), 4)
    expected = [[0.5, 0.25, 0.25, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_same_seed_same_labels_other_seed_other_labels(kind: dict[str, Any]) -> None:
    labels = true_labels(0)
    first, again, other = (noise(**kind, rate=0.3, seed=s).apply(labels, 10) for s in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", [{"kind": "none"}, *({**kind, "rate": 0} for kind in KINDS)], ids=str)
def test_rate_0_is_the_identity(kind: dict[str, Any]) -> None:
    labels = true_labels(0)
    assert np.array_equal(noise(**kind).apply(labels, 10), labels)


@given(rate=rates, seed=seeds, k=st.integers(2, 20))
def test_symmetric_noise_over_all_classes(rate: float, seed: int, k: int) -> None:
    """round(rate N) labels are drawn anew, of which a share 1/K hits the true class."""
    labels = true_labels(seed, k=k)
    wrong = (noise(kind="symmetric", rate=rate, seed=seed).apply(labels, k) != labels).sum()
    assert within(wrong, round(rate * len(labels)), 1 - 1 / k)


@given(rate=rates, seed=seeds, k=st.integers(2, 20))
def test_symmetric_noise_over_the_other_classes(rate: float, seed: int, k: int) -> None:
    """Every chosen label is wrong, so the realised rate is the nominal one; and each other class is as likely."""
    labels = true_labels(seed, k=k)
    given_labels = noise(kind="symmetric", rate=rate, seed=seed, include_true=False).apply(labels, k)
    wrong = given_labels != labels
    assert wrong.sum() == round(rate * len(labels))
    shift = (given_labels - labels)[wrong] % k
    assert all(within((shift == s).sum(), wrong.sum(), 1 / (k - 1)) for s in range(1, k))


@given(name=st.sampled_from(sorted(CLASS_MAPS)), rate=rates, seed=seeds)
def test_asymmetric_noise_flips_mapped_classes_to_their_targets_only(name: str, rate: float, seed: int) -> None:
    labels = true_labels(seed)
    given_labels = noise(kind="asymmetric", rate=rate, map=name, seed=seed).apply(labels, 10)
    wrong = given_labels != labels
    for c in range(10):
        members = labels == c
        if c not in CLASS_MAPS[name]:
            assert not wrong[members].any()
        else:
            assert set(given_labels[members & wrong]) <= {CLASS_MAPS[name][c]}
            assert within(wrong[members].sum(), members.sum(), rate)


def test_the_map_of_cifar_10() -> None:
    """Patrini et al. 2017; 40 % of the mapped classes are a fifth of all labels (the tables' "asym 40")."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    named = {names[a]: names[b] for a, b in CLASS_MAPS["cifar10"].items()}
    assert named == {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
    labels = np.repeat(np.arange(10), 5000)
    given_labels = noise(kind="asymmetric", rate=0.4, map="cifar10").apply(labels, 10)
    assert (given_labels != labels).mean() == pytest.approx(0.2, abs=0.005)


def test_a_map_needs_its_classes() -> None:
    with pytest.raises(ValueError, match="noise/map 'cifar10' needs 10 classes, the data have 5"):
        noise(kind="asymmetric", rate=0.1, map="cifar10").apply(np.arange(5), 5)


@given(rate=rates, seed=seeds, k=st.integers(2, 20))
def test_pair_flip(rate: float, seed: int, k: int) -> None:
    labels = true_labels(seed, k=k)
    given_labels = noise(kind="pairflip", rate=rate, seed=seed).apply(labels, k)
    wrong = given_labels != labels
    assert np.array_equal(given_labels[wrong], (labels[wrong] + 1) % k)
    assert within(wrong.sum(), len(labels), rate)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "much"])
def test_rates_out_of_range_are_refused(kind: dict[str, Any], rate: object) -> None:
    with pytest.raises(ValueError, match="rate"):
        noise(**kind, rate=rate)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_equal_seeds_of_noise_and_split_do_not_tie_them(kind: dict[str, Any]) -> None:
    """Both start a generator at the same seed: the noise of the validation part must still be that of the whole."""
    labels = true_labels(0, n=5000)
    deviations = []
    for seed in range(10):
        given_labels = noise(**kind, rate=0.4, seed=seed).apply(labels, 10)
        wrong = given_labels != labels
        _, val = stratified_split(given_labels, 0.2, seed)
        p = wrong.mean()
        deviations.append((wrong[val].mean() - p) / np.sqrt(p * (1 - p) / len(val)))
    assert abs(np.mean(deviations)) < 5 / np.sqrt(len(deviations))


def test_truth_reports_the_realised_noise(tiny: Callable[..., Any]) -> None:
    config, data = tiny({"noise": {"kind": "symmetric", "rate": 0.5, "include_true": False}})
    _, truth = load_data(config.data, config.noise)
    wrong = (data.labels != truth.labels).double().mean().item()
    assert truth.noise_rate == wrong == 0.5
    shares = np.bincount(truth.labels.numpy(), minlength=10) / len(truth.labels)
    assert shares @ truth.transition.diagonal() == pytest.approx(1 - wrong)
