"""Targets, MixUp and the losses of stages 1 and 3 against their equations, written out term by term."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from codim.losses.mixmatch import (
    brier_loss,
    class_balance_penalty,
    co_guess,
    co_refine,
    draw_lambda,
    mixup,
    sharpen,
    soft_cross_entropy,
)
from codim.losses.supervised import warmup_loss
from tests.support.oracles import (
    brier_oracle,
    class_balance_oracle,
    co_guess_oracle,
    co_refine_oracle,
    sharpen_oracle,
    soft_cross_entropy_oracle,
    warmup_oracle,
)


def draw(n: int, k: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K), distributions (N, K), labels (N,)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, k, generator=generator, dtype=torch.float64)
    targets = (2 * torch.randn(n, k, generator=generator, dtype=torch.float64)).softmax(1)
    return logits, targets, torch.randint(k, (n,), generator=generator)


def close(found: Tensor, expected: object) -> None:
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


def cases(**more: st.SearchStrategy[float]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return given(n=st.integers(1, 5), k=st.integers(2, 5), seed=st.integers(0, 10**6), **more)


temperatures = st.sampled_from([0.1, 0.5, 1.0, 3.0])


@cases(t=temperatures)
def test_sharpen(n: int, k: int, seed: int, t: float) -> None:
    _, p, _ = draw(n, k, seed)
    close(sharpen(p, t), [sharpen_oracle(row, t) for row in p.tolist()])


@cases(t=temperatures)
def test_co_refine(n: int, k: int, seed: int, t: float) -> None:
    _, p, labels = draw(n, k, seed)
    w = torch.linspace(0, 1, n, dtype=torch.float64)
    expected = [co_refine_oracle(int(labels[i]), w[i].item(), p[i].tolist(), t) for i in range(n)]
    close(co_refine(labels, w, p, t), expected)


@cases(t=temperatures)
def test_co_guess(n: int, k: int, seed: int, t: float) -> None:
    p = torch.stack([draw(n, k, seed + v)[1] for v in range(4)])
    close(co_guess(p, t), [co_guess_oracle(p[:, i].tolist(), t) for i in range(n)])


@cases(penalty=st.sampled_from([0.0, 0.5, 1.0]))
def test_losses(n: int, k: int, seed: int, penalty: float) -> None:
    logits, targets, labels = draw(n, k, seed)
    close(soft_cross_entropy(logits, targets), soft_cross_entropy_oracle(logits.tolist(), targets.tolist()))
    close(brier_loss(logits, targets), brier_oracle(logits.tolist(), targets.tolist()))
    close(class_balance_penalty(logits), class_balance_oracle(logits.tolist()))
    close(warmup_loss(logits, labels, penalty), warmup_oracle(logits.tolist(), labels.tolist(), penalty))


@cases(lam=st.floats(0.5, 1))
def test_mixup(n: int, k: int, seed: int, lam: float) -> None:
    x, targets, _ = draw(n, k, seed)
    partner = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    mixed_x, mixed_targets = mixup(x, targets, torch.tensor(lam, dtype=torch.float64), partner)
    for found, source in ((mixed_x, x.tolist()), (mixed_targets, targets.tolist())):
        other = [source[j] for j in partner.tolist()]
        rows = zip(source, other, strict=True)
        close(found, [[lam * a + (1 - lam) * b for a, b in zip(*pair, strict=True)] for pair in rows])


def test_sharpen_of_a_one_hot_and_of_tiny_and_large_temperatures() -> None:
    p = torch.tensor([[0.0, 1.0, 0.0], [0.3, 0.3, 0.4], [1e-30, 1e-38, 1.0]], requires_grad=True)
    cold, warm = sharpen(p, 1e-3), sharpen(p, 1e3)
    torch.testing.assert_close(cold.argmax(1), p.argmax(1))
    torch.testing.assert_close(cold.amax(1), torch.ones(3))
    assert warm[1].tolist() == pytest.approx([1 / 3] * 3, abs=1e-3)
    (cold.square().sum() + warm.square().sum()).backward()
    assert p.grad is not None
    assert p.grad.isfinite().all()


def test_a_certain_label_is_kept_and_a_doubted_one_is_not_read() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1]]).repeat(2, 1)
    refined = co_refine(torch.tensor([2, 2]), torch.tensor([1.0, 0.0]), p, 0.5)
    assert refined[0].tolist() == pytest.approx([0, 0, 1])
    torch.testing.assert_close(refined[1], sharpen(p[1], 0.5))


def test_losses_and_gradients_are_finite_at_extreme_logits() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [1e4, -1e4, -1e4]], requires_grad=True)
    targets = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    losses = [
        soft_cross_entropy(logits, targets),
        brier_loss(logits, targets),
        class_balance_penalty(logits),
        warmup_loss(logits, torch.tensor([1, 0]), 1.0),
    ]
    for loss in losses:
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert loss.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 4.0])
def test_lambda_follows_the_folded_beta_distribution(alpha: float) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_lambda(alpha, generator).item() for _ in range(2000)]
    assert min(drawn) >= 0.5
    beta = stats.beta(alpha, alpha)
    assert stats.kstest(drawn, lambda x: beta.cdf(x) - beta.cdf(1 - x)).pvalue > 1e-3


def test_lambda_at_extreme_alphas() -> None:
    generator = torch.Generator().manual_seed(0)
    assert [draw_lambda(1e6, generator).item() for _ in range(50)] == pytest.approx([0.5] * 50, abs=5e-3)
    assert all(0.5 <= draw_lambda(1e-9, generator).item() <= 1 for _ in range(50))
