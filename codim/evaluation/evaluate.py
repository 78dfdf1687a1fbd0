"""Evaluation of both networks after each epoch, from given labels alone (at the end of a training:
codim/evaluation/scorecard.py)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.evaluation.label_statistics import LabelStatistics
from codim.evaluation.predict import predict

NAN = float("nan")


EVALUATED = 2**14
"""Number of images whose outputs are held at a time."""


class Evaluation(NamedTuple):
    """Result of one pass of both networks over training and validation part; 9 bytes per image."""

    images: Tensor
    """Indices of the training images that were evaluated, those of the next epoch, (N,) int64."""
    losses: Tensor
    """Cross-entropy of each network with the given label, (2, N) float32."""
    agrees: Tensor
    """Whether the ensemble predicts the given label, (N,) bool."""
    val_acc: float
    """Validation accuracy of the ensemble on given labels; NaN, like the fields below, without a validation part."""
    val_acc_a: float
    val_acc_b: float
    val_loss: float
    """Validation loss of the mean of both networks' logits."""


def evaluate(
    networks: Sequence[nn.Module],
    data: TrainingData,
    augmenter: Augmenter,
    index: Tensor,
    statistics: LabelStatistics | None = None,
) -> Evaluation:
    """Evaluate both networks on the training images `index` (N,) and on the validation part; add this epoch to the
    `statistics`."""
    losses, agrees = [], []
    for rows in index.split(EVALUATED):
        logits, labels = predict(networks, data.images, augmenter, rows), data.labels[rows]
        losses.append(torch.stack([F.cross_entropy(own, labels, reduction="none") for own in logits]))
        agrees.append(logits.sum(0).argmax(1) == labels)
        if statistics is not None:
            statistics.add(rows, logits, labels)
    scores = [NAN] * 4
    if len(data.val_index):
        logits, labels = predict(networks, data.images, augmenter, data.val_index), data.labels[data.val_index]
        if statistics is not None:
            statistics.add(data.val_index, logits, labels)
        scores = [accuracy(x, labels) for x in (logits.sum(0), *logits)]
        scores.append(F.cross_entropy(logits.mean(0), labels).item())
    return Evaluation(index, torch.cat(losses, dim=1), torch.cat(agrees), *scores)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of (N, K) logits whose largest entry is the label; NaN without samples."""
    return share(logits.argmax(1) == labels)


def top_k_accuracy(logits: Tensor, labels: Tensor, k: int = 5) -> float:
    """Share of (N, K) logits with the label among their k largest entries; NaN if there are at most k classes."""
    if logits.shape[1] <= k:
        return NAN
    return share((logits.topk(k, dim=1).indices == labels[:, None]).any(1))


def share(hits: Tensor) -> float:
    """Share of true values in (N,) bool; NaN for N = 0."""
    return hits.double().mean().item()
