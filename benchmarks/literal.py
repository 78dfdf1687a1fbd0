"""Losses and division of stage 3 written the usual way: one formula after the other, a forward pass per view,
scikit-learn's mixture.

For benchmarks/baseline_loop.py, and an oracle in tests/reference. It shares no mathematics with `codim`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from torch import Tensor

from codim.config.contrastive import ContrastiveConfig
from codim.config.mixmatch import MixMatchConfig
from codim.models.network import Network


class Terms(NamedTuple):
    """Scalars: the weighted sum and its terms before their weights."""

    total: Tensor
    x: Tensor
    u: Tensor
    c: Tensor
    reg: Tensor


MixupDraw = Callable[[int], tuple[float, Tensor]]
"""Rows of the batch -> lambda, and a partner (rows,) for each."""


def literal_losses(
    net: Network,
    peer: Network,
    x: list[Tensor],
    labels: Tensor,
    w: Tensor,
    u: list[Tensor],
    draw_mixup: MixupDraw,
    mix: MixMatchConfig,
    contrast: ContrastiveConfig,
    lambda_u: float,
) -> Terms:
    """Stage 3 with both sets in the contrastive term.

    Args:
        x, u: two weak and two strong views (N, C, H, W) of a labelled and an unlabelled batch.
        labels: (N,) given labels. w: (N,) clean probabilities.
    """
    assert contrast.sets == "both"
    x1, x2, x3, x4 = x
    u1, u2, u3, u4 = u
    net.train(mix.guess_in_train_mode)
    peer.eval()
    with torch.no_grad():
        p = (torch.softmax(net(x1), 1) + torch.softmax(net(x2), 1)) / 2
        q = (
            torch.softmax(net(u1), 1)
            + torch.softmax(net(u2), 1)
            + torch.softmax(peer(u1), 1)
            + torch.softmax(peer(u2), 1)
        ) / 4
        one_hot = torch.zeros_like(p).scatter_(1, labels.view(-1, 1), 1)
        w = w.view(-1, 1)
        target_x = sharpen(w * one_hot + (1 - w) * p, mix.temperature)
        target_u = sharpen(q, mix.temperature)

    net.train()
    inputs = torch.cat([x1, x2, u1, u2])
    targets = torch.cat([target_x, target_x, target_u, target_u])
    lam, partner = draw_mixup(len(inputs))
    mixed = lam * inputs + (1 - lam) * inputs[partner]
    mixed_targets = lam * targets + (1 - lam) * targets[partner]
    logits = net(mixed)
    half = 2 * len(x1)
    loss_x = -(mixed_targets[:half] * torch.log_softmax(logits[:half], 1)).sum(1).mean()
    loss_u = ((torch.softmax(logits[half:], 1) - mixed_targets[half:]) ** 2).mean()
    prior = torch.full_like(logits[0], 1 / logits.shape[1])
    loss_reg = (prior * torch.log(prior / torch.softmax(logits, 1).mean(0))).sum()

    loss_c = torch.zeros_like(loss_x)
    if contrast.weight:
        z1 = net.project(torch.cat([x3, u3]))
        z2 = net.project(torch.cat([x4, u4]))
        trusted = torch.cat([torch.ones_like(labels).bool(), target_u.max(1).values >= contrast.confidence])
        classes = torch.cat([target_x, target_u]).argmax(1)
        if contrast.kind != "sup":
            loss_c = loss_c + nt_xent(z1, z2, contrast.temperature)
        if contrast.kind != "self":
            weight = contrast.sup_weight if contrast.kind == "both" else 1.0
            loss_c = loss_c + weight * sup_con(z1, z2, classes, trusted, contrast.temperature)
    total = loss_x + lambda_u * loss_u + contrast.weight * loss_c + loss_reg
    return Terms(total, loss_x, loss_u, loss_c, loss_reg)


def sharpen(p: Tensor, temperature: float) -> Tensor:
    powered = p ** (1 / temperature)
    return powered / powered.sum(1, keepdim=True)


def nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    z = torch.cat([z1, z2])
    others = 1 - torch.eye(len(z), device=z.device)
    denominator = (torch.exp(z @ z.T / temperature) * others).sum(1)
    positive = torch.exp((z1 * z2).sum(1) / temperature)
    return -torch.log(torch.cat([positive, positive]) / denominator).mean()


def sup_con(z1: Tensor, z2: Tensor, classes: Tensor, trusted: Tensor, temperature: float) -> Tensor:
    z = torch.cat([z1, z2])
    others = 1 - torch.eye(len(z), device=z.device)
    both_trusted = trusted.view(-1, 1) & trusted.view(1, -1)
    same = (classes.view(-1, 1) == classes.view(1, -1)) & both_trusted
    positives = (same | torch.eye(len(z1), device=z.device).bool()).float().repeat(2, 2) * others
    similarity = z @ z.T / temperature
    log_probability = similarity - torch.log((torch.exp(similarity) * others).sum(1, keepdim=True))
    return -((positives * log_probability).sum(1) / positives.sum(1)).mean()


def literal_clean_probability(
    scaled: NDArray[np.float64], reg_covar: float, upper: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Posterior (N,) of the component with the smaller mean, of scaled losses (N,).

    Args:
        upper: (N,) the clusters to start from; by default those of scikit-learn's k-means, which draws its own start.
    """
    column = scaled.reshape(-1, 1)
    mixture = GaussianMixture(n_components=2, max_iter=100, tol=1e-3, reg_covar=reg_covar)
    if upper is not None:
        clusters = [column[~upper], column[upper]]
        mixture.weights_init = [len(own) / len(column) for own in clusters]
        mixture.means_init = [own.mean(0) for own in clusters]
        mixture.precisions_init = [[1 / (own.var(0) + reg_covar)] for own in clusters]
    mixture.fit(column)
    probabilities: NDArray[np.float64] = mixture.predict_proba(column)[:, mixture.means_.argmin()]
    return probabilities


def literal_labelled(w: NDArray[np.float64], p_threshold: float) -> NDArray[np.bool_]:
    """Where the threshold would leave a side empty it is moved."""
    labelled: NDArray[np.bool_] = w > np.clip(p_threshold, w.min() + 1e-5, w.max() - 1e-5)
    return labelled
