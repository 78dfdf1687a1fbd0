"""Predictions, and what an observer with true labels makes of them epoch by epoch (at the end:
codim/evaluation/scorecard.py)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.evaluation.predict import predict

NAN = float("nan")


EVALUATED = 2**14
"""Images whose outputs are held at a time."""


class Evaluation(NamedTuple):
    """What one pass over the training and the validation part leaves of both networks; 9 bytes an image."""

    images: Tensor
    """(N,) int64: which of the training part were seen; those of the next epoch."""
    losses: Tensor
    """(2, N) float32: cross-entropy with the given label."""
    agrees: Tensor
    """(N,) bool: the ensemble's class is the given label."""
    val_acc: float
    """Of the ensemble, against given labels; this and the others NaN without a validation part."""
    val_acc_a: float
    val_acc_b: float
    val_loss: float
    """Of the mean of both networks' logits."""


def evaluate(networks: Sequence[nn.Module], data: TrainingData, augmenter: Augmenter, index: Tensor) -> Evaluation:
    """One pass over the images `index` (N,) of the training part, and the validation part."""
    losses, agrees = [], []
    for rows in index.split(EVALUATED):
        logits, labels = predict(networks, data.images, augmenter, rows), data.labels[rows]
        losses.append(torch.stack([F.cross_entropy(own, labels, reduction="none") for own in logits]))
        agrees.append(logits.sum(0).argmax(1) == labels)
    scores = [NAN] * 4
    if len(data.val_index):
        logits, labels = predict(networks, data.images, augmenter, data.val_index), data.labels[data.val_index]
        scores = [accuracy(x, labels) for x in (logits.sum(0), *logits)]
        scores.append(F.cross_entropy(logits.mean(0), labels).item())
    return Evaluation(index, torch.cat(losses, dim=1), torch.cat(agrees), *scores)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of (N, K) logits whose largest entry is the label; NaN for no samples."""
    return share(logits.argmax(1) == labels)


def top_k_accuracy(logits: Tensor, labels: Tensor, k: int = 5) -> float:
    """Share of (N, K) logits with the label among their k largest entries; NaN where there are no more than k
    classes."""
    if logits.shape[1] <= k:
        return NAN
    return share((logits.topk(k, dim=1).indices == labels[:, None]).any(1))


def share(hits: Tensor) -> float:
    """Of (N,) bool that is true; NaN for N = 0."""
    return hits.double().mean().item()
