"""Contrastive losses over two views of a batch, and the mask of trusted pairs."""

import torch
import torch.nn.functional as F
from torch import Tensor

from codim.config.contrastive import ContrastiveConfig


def contrastive_loss(z1: Tensor, z2: Tensor, targets: Tensor, trusted: Tensor, config: ContrastiveConfig) -> Tensor:
    """L_C before its weight, in the reading that `config` asks for.

    Args:
        z1, z2: (N, D) embeddings of unit length; row i of both comes from image i.
        targets: (N, K) refined or guessed class distributions. trusted: (N,) bool. NT-Xent reads neither.
    """
    if config.kind == "self":
        return nt_xent(z1, z2, config.temperature)
    sup = sup_con(z1, z2, trusted_pairs(targets, trusted), config.temperature)
    return sup if config.kind == "sup" else nt_xent(z1, z2, config.temperature) + config.sup_weight * sup


def nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """NT-Xent (Chen et al. 2020, "SimCLR", eq. 1), the mean over the 2N views.

    L = (1/2N) sum_i -log[ exp(z_i.z_j(i)/t) / sum_{a != i} exp(z_i.z_a/t) ], j(i): the other view of the same image.

    Args:
        z1, z2: (N, D) embeddings of unit length; row i of both comes from image i.
    """
    n = len(z1)
    logits = _similarities(torch.cat([z1, z2]), temperature)
    target = torch.arange(2 * n, device=z1.device).roll(n)
    return F.cross_entropy(logits, target)


def sup_con(z1: Tensor, z2: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """SupCon (Khosla et al. 2020, L_out, eq. 2) over 2N views, with positives by image.

    L = (1/2N) sum_i (-1/|P(i)|) sum_{p in P(i)} log[ exp(z_i.z_p/t) / sum_{a != i} exp(z_i.z_a/t) ]. No factor t/t_0
    in front.

    Args:
        z1, z2: (N, D) embeddings of unit length; row i of both comes from image i.
        positives: (N, N) bool, symmetric, true on the diagonal: the views of images i and j are positives.
    """
    logits = _similarities(torch.cat([z1, z2]), temperature)
    pairs = positives.repeat(2, 2).fill_diagonal_(False)
    log_prob = F.log_softmax(logits, dim=1).masked_fill(~pairs, 0.0)
    return -(log_prob.sum(1) / pairs.sum(1)).mean()


def _similarities(z: Tensor, temperature: float) -> Tensor:
    return ((z @ z.T).to(z.dtype) / temperature).fill_diagonal_(float("-inf"))


def trusted_pairs(targets: Tensor, trusted: Tensor) -> Tensor:
    """(N, N) bool: pairs of one image, and pairs of trusted images whose targets have the same largest class.

    Args:
        targets: (N, K) refined or guessed class distributions.
        trusted: (N,) bool.
    """
    classes = targets.argmax(1)
    same = (classes[:, None] == classes) & trusted[:, None] & trusted
    return same.fill_diagonal_(True)
