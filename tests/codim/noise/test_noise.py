"""Properties that all kinds of noise have; the definition of each is checked in tests/reference."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from codim.data.load import load_data
from codim.data.splits import stratified_split
from codim.noise.asymmetric import AsymmetricNoise
from codim.noise.base import NoNoise
from codim.noise.class_maps import CLASS_MAPS
from codim.noise.file import FileNoise
from codim.noise.kinds import NOISE_KINDS
from codim.noise.transition import Labels, transition_matrix
from tests.support.noises import noise, pictures, rates, seeds, true_labels, within

KINDS: list[dict[str, Any]] = [
    {"kind": "symmetric", "include_true": True},
    {"kind": "symmetric", "include_true": False},
    *({"kind": "asymmetric", "map": name} for name in CLASS_MAPS),
    {"kind": "pairflip"},
    {"kind": "instance", "pixels": "raw"},
    {"kind": "instance", "pixels": "standardised"},
    {"kind": "openset", "open_share": 0.5, "source": "other"},
]
"""Every kind but labels from files, which draws nothing."""


def classes(kind: dict[str, Any]) -> int:
    return len(CLASS_MAPS[kind["map"]]) if "map" in kind else 10


def apply(kind: dict[str, Any], rate: float, seed: int, labels: Labels) -> Labels:
    return noise(**kind, rate=rate, seed=seed).apply(labels, classes(kind), pictures(len(labels)))


def possible(kind: dict[str, Any]) -> Any:
    """(K, K) bool: the given classes that the kind allows for each true one, beside itself."""
    k = classes(kind)
    if kind["kind"] == "pairflip":
        return np.roll(np.eye(k, dtype=bool), 1, axis=1)
    if "map" not in kind:
        return ~np.eye(k, dtype=bool)
    allowed = np.zeros((k, k), dtype=bool)
    for source, targets in enumerate(CLASS_MAPS[kind["map"]]):
        allowed[source, targets[targets != source]] = True
    return allowed


def wrong_probability(kind: dict[str, Any], rate: float, labels: Labels) -> Any:
    """Of each sample."""
    if kind["kind"] == "symmetric" and kind["include_true"]:
        return np.full(len(labels), rate * 0.9)
    if kind["kind"] == "openset":
        return np.full(len(labels), rate * (1 - kind["open_share"]) * 0.9)
    if kind["kind"] == "instance":
        mean = stats.truncnorm.mean(-rate / 0.1, (1 - rate) / 0.1, rate, 0.1) if rate else 0.0
        return np.full(len(labels), mean)
    return np.where(possible(kind).any(1)[labels], rate, 0.0)


def test_every_kind_is_tested_here() -> None:
    tested = {type(noise(**kind, rate=0.1)) for kind in KINDS}
    assert tested | {NoNoise, FileNoise} == set(NOISE_KINDS.values())
    assert set(get_args(AsymmetricNoise.model_fields["map"].annotation)) == set(CLASS_MAPS)


@given(kind=st.sampled_from(KINDS), rate=rates, seed=seeds)
def test_labels_stay_labels_and_the_inputs_are_not_touched(kind: dict[str, Any], rate: float, seed: int) -> None:
    labels = true_labels(seed, k=classes(kind))
    images = pictures(len(labels))
    before = labels.copy(), images.copy()
    given_labels = noise(**kind, rate=rate, seed=seed).apply(labels, classes(kind), images)
    assert np.array_equal(labels, before[0])
    assert np.array_equal(images, before[1])
    assert not np.shares_memory(given_labels, labels)
    assert given_labels.dtype == np.int64
    assert given_labels.shape == labels.shape
    assert given_labels.min() >= 0
    assert given_labels.max() < classes(kind)


@given(kind=st.sampled_from(KINDS), rate=rates, seed=seeds)
def test_the_transition_matrix_has_mass_only_where_the_kind_allows(
    kind: dict[str, Any], rate: float, seed: int
) -> None:
    labels = true_labels(seed, n=300, k=classes(kind))
    matrix = transition_matrix(labels, apply(kind, rate, seed, labels), classes(kind))
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert (matrix >= 0).all()
    assert not (matrix * ~possible(kind) * ~np.eye(classes(kind), dtype=bool)).any()


@given(kind=st.sampled_from(KINDS), rate=rates, seed=seeds)
def test_the_realised_rate_is_what_the_settings_say(kind: dict[str, Any], rate: float, seed: int) -> None:
    """Within binomial bounds; kinds that draw a fixed number of samples vary less."""
    labels = true_labels(seed, k=classes(kind))
    p = wrong_probability(kind, rate, labels)
    rest = p > 0
    wrong = apply(kind, rate, seed, labels) != labels
    assert not wrong[~rest].any()
    if rest.any():
        assert within(wrong.sum(), int(rest.sum()), float(p[rest].mean()))


def test_transition_matrix_by_hand() -> None:
    matrix = transition_matrix(np.array([0, 0, 0, 0, 1]), np.array([0, 0, 1, 2, 1]), 4)
    expected = [[0.5, 0.25, 0.25, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_same_seed_same_labels_other_seed_other_labels(kind: dict[str, Any]) -> None:
    labels = true_labels(0, k=classes(kind))
    first, again, other = (apply(kind, 0.3, s, labels) for s in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", [{"kind": "none"}, *({**kind, "rate": 0} for kind in KINDS)], ids=str)
def test_rate_0_is_the_identity(kind: dict[str, Any]) -> None:
    labels = true_labels(0, k=classes(kind))
    assert np.array_equal(noise(**kind).apply(labels, classes(kind), pictures(len(labels))), labels)


@pytest.mark.parametrize(("name", "needed", "found"), [("cifar10", 10, 5), ("digits", 10, 100), ("next", 100, 10)])
def test_a_map_needs_its_classes(name: str, needed: int, found: int) -> None:
    with pytest.raises(ValueError, match=f"noise/map '{name}' needs {needed} classes, the data have {found}"):
        noise(kind="asymmetric", rate=0.1, map=name).apply(np.arange(found), found, pictures(found))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "much"])
def test_rates_out_of_range_are_refused(kind: dict[str, Any], rate: object) -> None:
    with pytest.raises(ValueError, match="rate"):
        noise(**kind, rate=rate)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_equal_seeds_of_noise_and_split_do_not_tie_them(kind: dict[str, Any]) -> None:
    """Both start a generator at the same seed: the noise of the validation part must still be that of the whole."""
    labels = true_labels(0, n=5000, k=classes(kind))
    deviations = []
    for seed in range(10):
        given_labels = apply(kind, 0.4, seed, labels)
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
