"""Stage 1: cross-entropy on all given labels."""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from codim.section import Section


class WarmupConfig(Section):
    """Stage 1; with `train/co_training` off it is the whole training."""

    epochs: int = Field(default=10, ge=1)
    """Passes over the training part. (10: CIFAR-10, 30: CIFAR-100: DivideMix; 5 after pre-training: C2D)"""
    confidence_penalty: float = Field(default=0.0, ge=0)
    """Weight of mean_i sum_c p log p; keeps asymmetric noise from being fitted with confidence. (1 there: DivideMix)"""


def warmup_loss(logits: Tensor, labels: Tensor, confidence_penalty: float) -> Tensor:
    """Cross-entropy + confidence_penalty * mean_i sum_c p log p (Pereyra et al. 2017), for (N, K) logits and (N,)
    labels."""
    loss = F.cross_entropy(logits, labels)
    if confidence_penalty:
        log_p = logits.log_softmax(1)
        loss = loss + confidence_penalty * (log_p.exp() * log_p).sum(1).mean()
    return loss
