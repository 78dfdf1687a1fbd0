"""Stage 1: cross-entropy on all given labels."""

import torch.nn.functional as F
from torch import Tensor


def warmup_loss(logits: Tensor, labels: Tensor, confidence_penalty: float) -> Tensor:
    """Cross-entropy + confidence_penalty * mean_i sum_c p log p (Pereyra et al. 2017), for (N, K) logits and (N,)
    labels."""
    loss = F.cross_entropy(logits, labels)
    if confidence_penalty:
        log_p = logits.log_softmax(1)
        loss = loss + confidence_penalty * (log_p.exp() * log_p).sum(1).mean()
    return loss
