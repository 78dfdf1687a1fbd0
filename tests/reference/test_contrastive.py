"""The contrastive losses against their equations, written out term by term."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from codim.losses.contrastive import nt_xent, sup_con, trusted_pairs
from tests.support.oracles import nt_xent_oracle, sup_con_oracle, trusted_pairs_oracle


def embeddings(n: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    z = torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z1, z2 = F.normalize(z, dim=2).unbind()
    return z1, z2


cases = given(
    n=st.integers(1, 6), d=st.integers(2, 5), t=st.sampled_from([0.01, 0.1, 0.5, 1.0, 50.0]), seed=st.integers(0, 10**6)
)


@cases
def test_nt_xent_is_its_equation(n: int, d: int, t: float, seed: int) -> None:
    z1, z2 = embeddings(n, d, seed)
    assert nt_xent(z1, z2, t).item() == pytest.approx(nt_xent_oracle(z1, z2, t), rel=1e-9, abs=1e-9)


@cases
def test_sup_con_is_its_equation(n: int, d: int, t: float, seed: int) -> None:
    z1, z2 = embeddings(n, d, seed)
    generator = torch.Generator().manual_seed(seed)
    targets = torch.rand(n, 3, generator=generator)
    pairs = trusted_pairs(targets, torch.rand(n, generator=generator) < 0.7)
    assert sup_con(z1, z2, pairs, t).item() == pytest.approx(sup_con_oracle(z1, z2, pairs, t), rel=1e-9, abs=1e-9)


@cases
def test_sup_con_of_single_images_is_nt_xent(n: int, d: int, t: float, seed: int) -> None:
    z1, z2 = embeddings(n, d, seed)
    torch.testing.assert_close(sup_con(z1, z2, torch.eye(n, dtype=torch.bool), t), nt_xent(z1, z2, t))


@cases
def test_the_order_of_images_and_of_views_does_not_matter(n: int, d: int, t: float, seed: int) -> None:
    z1, z2 = embeddings(n, d, seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(n, generator=generator)
    pairs = trusted_pairs(torch.rand(n, 3, generator=generator), torch.ones(n, dtype=torch.bool))
    torch.testing.assert_close(nt_xent(z2[order], z1[order], t), nt_xent(z1, z2, t))
    torch.testing.assert_close(sup_con(z2[order], z1[order], pairs[order][:, order], t), sup_con(z1, z2, pairs, t))


@given(n=st.integers(1, 8), k=st.integers(2, 4), seed=st.integers(0, 10**6))
def test_trusted_pairs_is_its_definition(n: int, k: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.rand(n, k, generator=generator)
    trusted = torch.rand(n, generator=generator) < 0.6
    pairs = trusted_pairs(targets, trusted)
    assert pairs.tolist() == trusted_pairs_oracle(targets, trusted)
    assert torch.equal(pairs, pairs.T)
    assert pairs.diagonal().all()


def test_trusted_pairs_by_hand() -> None:
    targets = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]])
    pairs = trusted_pairs(targets, torch.tensor([True, True, False, True]))
    assert pairs.int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_no_factor_of_the_temperature_stands_in_front() -> None:
    """Without a preferred pair the loss is log(2N - 1) at any temperature; the copied code would scale it by t/0.07."""
    z = torch.eye(1, 8).expand(4, 8)
    pairs = torch.ones(4, 4, dtype=torch.bool)
    for t in (0.05, 0.07, 0.5):
        assert nt_xent(z, z, t).item() == pytest.approx(math.log(7), rel=1e-5)
        assert sup_con(z, z, pairs, t).item() == pytest.approx(math.log(7), rel=1e-5)


@pytest.mark.parametrize("loss", [nt_xent, lambda a, b, t: sup_con(a, b, torch.ones(6, 6, dtype=torch.bool), t)])
@pytest.mark.parametrize("t", [1e-3, 0.1, 1e4])
def test_gradients_are_finite(loss: Callable[[Tensor, Tensor, float], Tensor], t: float) -> None:
    z = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    value = loss(*F.normalize(z, dim=2).unbind(), t)
    value.backward()
    assert value.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert z.grad.abs().max() > 0


@pytest.mark.parametrize("loss", [nt_xent, lambda a, b, t: sup_con(a, b, torch.eye(3, dtype=torch.bool), t)])
def test_gradients_are_those_of_finite_differences(loss: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    z1, z2 = embeddings(3, 4, 0)
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, 0.5), (z1.requires_grad_(), z2.requires_grad_()))
