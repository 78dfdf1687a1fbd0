"""Targets, MixUp and the semi-supervised loss (Li et al. 2020, "DivideMix"; Berthelot et al. 2019, "MixMatch")."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from codim.runtime.distributed import mean


def sharpen(p: Tensor, temperature: float) -> Tensor:
    """p^(1/T) / sum over the last dimension, for p (..., K) (MixMatch, eq. 7); in logarithms, so that a small T
    cannot give 0/0."""
    tiny = torch.finfo(p.dtype).tiny
    return (p.clamp(min=tiny).log() / temperature).softmax(-1)


def co_refine(labels: Tensor, clean_probability: Tensor, p: Tensor, temperature: float) -> Tensor:
    """Targets of labelled samples: sharpen(w * onehot(y) + (1 - w) * p, T) (DivideMix, eq. 3 and 4).

    Args:
        labels: (N,) given labels. clean_probability: (N,) w. p: (N, K) mean prediction over the views.
    """
    w = clean_probability[:, None]
    one_hot = labels[:, None] == torch.arange(p.shape[1], device=p.device)
    return sharpen(w * one_hot + (1 - w) * p, temperature)


def co_guess(predictions: Tensor, temperature: float) -> Tensor:
    """Targets of unlabelled samples from (V, N, K) softmax outputs, V = networks x views (DivideMix, eq. 5)."""
    return sharpen(predictions.mean(0), temperature)


def mixup(x: Tensor, targets: Tensor, lam: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
    """lam * (x, targets) + (1 - lam) * (x, targets)[partner]; a scalar lam >= 1/2 keeps each row mainly itself
    (DivideMix, eq. 6 to 8)."""
    return torch.lerp(x[partner], x, lam.to(x.dtype)), torch.lerp(targets[partner], targets, lam.to(targets.dtype))


def draw_lambda(alpha: float, generator: Generator) -> Tensor:
    """max(lam, 1 - lam), a float64 scalar, with lam ~ Beta(alpha, alpha), from two Gamma draws of the given
    generator."""
    concentration = torch.full((2,), alpha, dtype=torch.float64, device=generator.device)
    gamma = torch._standard_gamma(concentration, generator=generator)
    # Both draws are 0 where alpha is tiny; lam is 0 or 1 then.
    return (gamma.max() / gamma.sum()).nan_to_num(1.0)


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """L_X: mean over rows of -sum_c target * log softmax(logits); both (N, K)."""
    return F.cross_entropy(logits, targets)


def brier_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """L_U: mean over all entries of (softmax(logits) - target)^2; both (N, K)."""
    return (logits.softmax(1) - targets).square().mean()


def class_balance_penalty(logits: Tensor) -> Tensor:
    """L_reg: sum_c pi_c log(pi_c / mean_i p_ic) with pi uniform, for (N, K) logits (DivideMix, eq. 11); i runs over the
    rows of all workers."""
    k = logits.shape[1]
    p = mean(logits.softmax(1).mean(0)).clamp(min=torch.finfo(logits.dtype).tiny)
    return -(p * k).log().mean()
