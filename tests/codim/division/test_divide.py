"""The division never is empty on a side and never holds NaN, whatever the losses; and it says what happened."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from codim.config.divide import DivideConfig
from codim.division.divide import LOSS_BINS, SEVERITY, Division, divide, loss_histogram, scale_losses

values = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=32),
    st.sampled_from([0.0, 1.0, 2.0, 2.3, 1e-30, 1e30, float("nan"), float("inf"), float("-inf")]),
)
configs = st.builds(
    DivideConfig,
    p_threshold=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])),
    reg_covar=st.sampled_from([1e-6, 5e-4, 1e-1]),
)


def divided(scaled: Tensor, config: DivideConfig) -> Division:
    n = len(scaled)
    return divide(scaled[None], torch.arange(n), torch.zeros(n, dtype=torch.int64), config)[0]


def check(division: Division, n: int) -> None:
    w = division.clean_probability
    assert w.shape == division.labelled.shape == (n,)
    assert w.dtype == torch.float32
    assert division.labelled.dtype == torch.bool
    assert w.isfinite().all()
    assert ((w >= 0) & (w <= 1)).all()
    assert math.isfinite(division.threshold)
    assert division.state in SEVERITY
    assert division.labelled.any()
    assert n < 2 or not division.labelled.all()
    assert math.isnan(division.separation) == (division.state == "degenerate")
    assert division.loss_bin is not None
    assert len(division.loss_bin) == n
    assert division.loss_bin.max() < LOSS_BINS


@given(losses=st.lists(values, min_size=1, max_size=30), config=configs)
def test_any_losses(losses: list[float], config: DivideConfig) -> None:
    check(divided(scale_losses(torch.tensor(losses)), config), len(losses))


@given(history=st.lists(st.lists(values, min_size=7, max_size=7), min_size=1, max_size=4), config=configs)
def test_any_history(history: list[list[float]], config: DivideConfig) -> None:
    check(divided(torch.stack([scale_losses(torch.tensor(row)) for row in history]).mean(0), config), 7)


@given(losses=st.lists(values, min_size=1, max_size=30))
def test_scaled_losses_lie_in_the_unit_interval(losses: list[float]) -> None:
    scaled = scale_losses(torch.tensor(losses))
    assert scaled.dtype == torch.float64
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_scaling_by_hand() -> None:
    nan, inf = float("nan"), float("inf")
    cases = {
        (2.0, 3.0, 6.0): [0, 0.25, 1],
        (2.0, nan, 6.0, inf): [0, 1, 1, 1],
        (2.0, 2.0): [0.5, 0.5],
        (2.0, nan, 2.0): [0.5, 1, 0.5],
        (nan, inf): [0.5, 0.5],
    }
    for losses, expected in cases.items():
        assert scale_losses(torch.tensor(losses)).tolist() == expected, losses


def bimodal() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(60, generator=generator)
    return scale_losses(torch.cat([noise[:40] + 0.3, noise[40:] + 2.0]))


def test_two_modes_are_told_apart() -> None:
    division = divided(bimodal(), DivideConfig())
    assert division.state == "ok"
    assert division.threshold == 0.5
    assert division.separation > 5
    assert division.labelled.tolist() == [True] * 40 + [False] * 20


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_thresholds_that_leave_a_side_empty_are_clipped(threshold: float) -> None:
    division = divided(bimodal(), DivideConfig(p_threshold=threshold))
    w = division.clean_probability
    assert division.state == "clipped"
    assert division.threshold == pytest.approx(w.max().item() - 1e-5 if threshold else w.min().item() + 1e-5)
    check(division, 60)


@pytest.mark.parametrize("losses", [[1.0], [1.0, 1.0], [3.0] * 9, [float("nan")] * 4, [1.0, float("inf")][:1]])
def test_losses_without_order_are_degenerate(losses: list[float]) -> None:
    division = divided(scale_losses(torch.tensor(losses)), DivideConfig(p_threshold=0.7))
    assert division.state == "degenerate"
    assert division.threshold == 0.7
    assert division.clean_probability.tolist() == [0.5] * len(losses)
    assert division.labelled.tolist() == [i % 2 == 0 for i in range(len(losses))]


def test_one_broken_loss_counts_as_wrong() -> None:
    """The rest keeps its order."""
    losses = torch.cat([bimodal(), torch.tensor([float("nan")], dtype=torch.float64)])
    division = divided(scale_losses(losses), DivideConfig())
    assert not division.labelled[-1]
    assert division.labelled.sum() == 40


def test_all_equal_but_one() -> None:
    losses = torch.ones(30)
    losses[7] = 5.0
    division = divided(scale_losses(losses), DivideConfig())
    assert division.labelled.tolist() == [i != 7 for i in range(30)]


def test_one_mode_is_reported() -> None:
    generator = torch.Generator().manual_seed(0)
    states = {
        divided(scale_losses(torch.rand(200, generator=generator) ** p), DivideConfig(reg_covar=0.5)).state
        for p in (0.5, 1.0)
    }
    assert states == {"unimodal"}


def test_averages_that_differ_by_one_bit() -> None:
    x = torch.full((6,), 0.4, dtype=torch.float64)
    x[2] = torch.nextafter(x[2], torch.tensor(1.0, dtype=torch.float64))
    check(divided(x, DivideConfig()), 6)


def test_a_lower_threshold_never_labels_less() -> None:
    x = torch.rand(100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = [int(divided(x, DivideConfig(p_threshold=p)).labelled.sum()) for p in (0.9, 0.7, 0.5, 0.2, 0.05)]
    assert counts == sorted(counts)


def test_a_network_without_order_leaves_the_other_alone() -> None:
    rows = torch.stack([torch.full((60,), 0.5, dtype=torch.float64), bimodal()])
    first, second = divide(rows, torch.arange(60), torch.zeros(60, dtype=torch.int64), DivideConfig())
    alone = divided(bimodal(), DivideConfig())
    assert first.state == "degenerate"
    assert (second.state, second.threshold, second.separation) == ("ok", alone.threshold, alone.separation)
    assert torch.equal(second.clean_probability, alone.clean_probability)
    assert torch.equal(second.labelled, alone.labelled)


def test_the_histogram_is_numpys() -> None:
    """Of a mixture, a network whose losses are all equal, the ends of the range, and of some samples alone."""
    modes = torch.cat([torch.rand(300) * 0.3, 1 - torch.rand(200) ** 2, torch.tensor([0.0, 1.0])])
    scaled = torch.stack([modes, torch.full_like(modes, 0.5)]).double()
    among = torch.rand(2 * len(modes)) < 0.4
    index = torch.randperm(2 * len(modes))[: len(modes)]
    divisions = divide(scaled, index, torch.zeros_like(index), DivideConfig())
    expected, _ = np.histogram(scaled, LOSS_BINS, (0, 1))
    assert loss_histogram(divisions) == expected.tolist()
    expected, _ = np.histogram(scaled[:, among[index]], LOSS_BINS, (0, 1))
    assert loss_histogram(divisions, among) == expected.tolist()
    assert loss_histogram([]) == []


@pytest.mark.parametrize("seed", range(3))
def test_with_a_mixture_per_class_each_is_divided_as_if_alone(seed: int) -> None:
    """A class whose correct labels have larger losses than the others' wrong ones keeps its better half."""
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.permutation(np.repeat([0, 1, 2], [200, 40, 5])))
    wrong = torch.from_numpy(rng.random(245) < 0.4)
    scaled = torch.from_numpy(rng.normal(0.1, 0.01, 245)) + 0.1 * wrong + 0.6 * (labels == 1)
    scaled = scaled.clamp(0, 1)[None]
    config = DivideConfig(by_class=True)
    (together,) = divide(scaled, torch.arange(245), labels, DivideConfig())
    (division,) = divide(scaled, torch.arange(245), labels, config)
    for k in (0, 1):
        own = labels == k
        alone = divide(scaled[:, own], torch.arange(int(own.sum())), labels[own], DivideConfig())[0]
        assert torch.equal(division.clean_probability[own], alone.clean_probability)
        assert torch.equal(division.labelled[own], ~wrong[own])
    assert not together.labelled[labels == 1].any()
    few = labels == 2
    assert torch.equal(division.clean_probability[few], together.clean_probability[few])


def test_a_class_of_equal_losses_is_divided_by_the_mixture_over_all() -> None:
    scaled = torch.cat([bimodal(), torch.full((30,), 0.05, dtype=torch.float64)])[None]
    labels = torch.cat([torch.zeros(60, dtype=torch.int64), torch.ones(30, dtype=torch.int64)])
    divisions = [divide(scaled, torch.arange(90), labels, DivideConfig(by_class=own))[0] for own in (False, True)]
    assert torch.equal(*(division.clean_probability[60:] for division in divisions))
    assert divisions[1].labelled[60:].all()
