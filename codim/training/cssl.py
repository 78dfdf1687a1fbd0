"""Stage 3: one step of contrastive semi-supervised learning for one network, its peer frozen.

L_X, L_U and L_reg are DivideMix's; the contrastive term is a reconstruction (see ContrastiveConfig).
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from codim.config.contrastive import ContrastiveConfig
from codim.config.mixmatch import TERM_NAMES, MixMatchConfig
from codim.data.augment import Augmenter
from codim.losses.contrastive import contrastive_loss
from codim.losses.mixmatch import (
    brier_loss,
    class_balance_penalty,
    co_guess,
    co_refine,
    draw_lambda,
    mixup,
    soft_cross_entropy,
)
from codim.models.network import Network, kept_running_statistics
from codim.runtime.distributed import gather, shard


class Batch(NamedTuple):
    """Images of one step from the labelled (N) and unlabelled (M) set, uint8; with several workers, this one's
    shard."""

    x: Tensor
    labels: Tensor
    """Given labels of `x`, (N,)."""
    clean_probability: Tensor
    """Clean probability w of `x`, (N,)."""
    u: Tensor


class Losses(NamedTuple):
    """Loss of one step, as scalars."""

    total: Tensor
    """Weighted sum of the terms."""
    terms: dict[str, Tensor]
    """Terms before their weights: x, u, c, reg, and those of `mixmatch/terms`."""


class Mixed(NamedTuple):
    """Everything that a further loss term may depend on: one step after MixUp."""

    net: Network
    inputs: Tensor
    """Mixed images, (2N + 2M, C, H, W): two views each of the labelled and then of the unlabelled set."""
    targets: Tensor
    """Mixed targets, (2N + 2M, K)."""
    logits: Tensor
    """Outputs of `net`, (2N + 2M, K)."""
    labelled: int
    """Number of rows of the labelled set, 2N."""


LossTerm = Callable[[Mixed], Tensor]
_TERMS: dict[str, LossTerm] = {}


def register_loss_term(name: str, term: LossTerm) -> None:
    """Register a further loss term, a scalar, under a name to which `mixmatch/terms` may give a weight.

    Each process that trains with it must do so, the workers of a study too.

    Example:
        >>> import codim
        >>> def entropy(step: Mixed) -> Tensor:
        ...     log_p = step.logits.log_softmax(1)
        ...     return -(log_p.exp() * log_p).sum(1).mean()
        >>> codim.register_loss_term("entropy", entropy)
        >>> codim.train_config({"mixmatch": {"terms": {"entropy": 0.5}}}).mixmatch.terms
        {'entropy': 0.5}
    """
    _TERMS[name] = term
    TERM_NAMES.add(name)


def cssl_losses(
    net: Network,
    peer: Network,
    batch: Batch,
    mix: MixMatchConfig,
    contrast: ContrastiveConfig,
    lambda_u: float,
    augmenter: Augmenter,
    generator: Generator,
) -> Losses:
    """Return L_X + lambda_u L_U + lambda_c L_C + L_reg + further terms, and each of them. `net` is left in training
    mode, `peer` in evaluation mode.

    MixUp's partners, the mean prediction of L_reg and the contrastive pairs come from the batches of all workers.
    """
    n = len(batch.x)
    images = torch.cat([batch.x, batch.u])
    views = [augmenter.weak(images, generator) for _ in range(2)]
    target_x, target_u = _targets(net, peer, batch, views, mix)

    net.train()
    inputs = torch.cat([v[:n] for v in views] + [v[n:] for v in views])
    targets = torch.cat([target_x, target_x, target_u, target_u])
    inputs, targets = gather(inputs), gather(targets)
    partner = torch.randperm(len(inputs), generator=generator, device=inputs.device)
    inputs, targets = map(shard, mixup(inputs, targets, draw_lambda(mix.alpha, generator), partner))
    logits = net(inputs)
    x = soft_cross_entropy(logits[: 2 * n], targets[: 2 * n])
    u = brier_loss(logits[2 * n :], targets[2 * n :])
    reg = class_balance_penalty(logits)
    c = torch.zeros_like(x)
    if contrast.weight:
        c = _contrast(net, images, target_x, target_u, contrast, augmenter, generator)
    total = x + lambda_u * u + contrast.weight * c + reg
    terms = {"x": x, "u": u, "c": c, "reg": reg}
    for name, weight in mix.terms.items():
        terms[name] = _TERMS[name](Mixed(net, inputs, targets, logits, 2 * n))
        total = total + weight * terms[name]
    return Losses(total, terms)


@torch.no_grad()
def _targets(
    net: Network, peer: Network, batch: Batch, views: list[Tensor], mix: MixMatchConfig
) -> tuple[Tensor, Tensor]:
    """Refined targets (N, K) of the labelled and guessed targets (M, K) of the unlabelled images."""
    n = len(batch.x)
    net.train(mix.guess_in_train_mode)
    peer.eval()
    own = net(torch.cat(views)).softmax(1).view(2, len(views[0]), -1)
    other = peer(torch.cat([v[n:] for v in views])).softmax(1).view(2, len(batch.u), -1)
    target_x = co_refine(batch.labels, batch.clean_probability, own[:, :n].mean(0), mix.temperature)
    target_u = co_guess(torch.cat([own[:, n:], other]), mix.temperature)
    return target_x, target_u


def _contrast(
    net: Network,
    images: Tensor,
    target_x: Tensor,
    target_u: Tensor,
    config: ContrastiveConfig,
    augmenter: Augmenter,
    generator: Generator,
) -> Tensor:
    n = len(target_x)
    images = {"labelled": images[:n], "unlabelled": images[n:], "both": images}[config.sets]
    views = [augmenter.strong(images, generator) for _ in range(2)]
    with nullcontext() if config.running_statistics else kept_running_statistics(net):
        z1, z2 = map(gather, net.project(torch.cat(views)).chunk(2))
    x, u = gather(target_x), gather(target_u)
    trusted_x, trusted_u = x.new_ones(len(x), dtype=torch.bool), u.amax(1) >= config.confidence
    chosen = {"labelled": slice(0, len(x)), "unlabelled": slice(len(x), None), "both": slice(None)}[config.sets]
    targets, trusted = torch.cat([x, u])[chosen], torch.cat([trusted_x, trusted_u])[chosen]
    with net.autocast(z1):
        return contrastive_loss(z1, z2, targets, trusted, config)
