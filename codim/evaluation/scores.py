"""Scores of one model on one part of the data, and of one division, as plain values; NaN: undefined."""

from typing import Any

import torch
from torch import Tensor

from codim.division.divide import Division
from codim.evaluation.calibration import BINS, expected_calibration_error, reliability
from codim.evaluation.evaluate import NAN, accuracy, share, top_k_accuracy
from codim.evaluation.observer import SplitQuality, split_quality

Scores = dict[str, Any]


def classification_scores(logits: Tensor, labels: Tensor) -> Scores:
    """Score (N, K) logits against (N,) labels, N > 0: accuracy, top5, ece; per_class_accuracy [K]; confusion [K][K]
    (rows: label, columns: prediction); reliability: upper_edge, samples, confidence, accuracy [15]."""
    bins = reliability(logits, labels)
    confusion = confusion_matrix(labels, logits.argmax(1), logits.shape[1])
    return {
        "accuracy": accuracy(logits, labels),
        "top5": top_k_accuracy(logits, labels),
        "ece": expected_calibration_error(bins),
        "per_class_accuracy": (confusion.diag().double() / confusion.sum(1)).tolist(),
        "confusion": confusion.tolist(),
        "reliability": {"upper_edge": [(m + 1) / BINS for m in range(BINS)]}
        | {name: values.tolist() for name, values in bins._asdict().items()},
    }


def confusion_matrix(labels: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Count predictions: (K, K) int64, rows: label, columns: prediction, from (N,) and (N,).

    Example:
        >>> confusion_matrix(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return (labels * num_classes + predicted).bincount(minlength=num_classes**2).view(num_classes, num_classes)


def fit_scores(predicted: Tensor, given: Tensor, true: Tensor, clean: Tensor) -> Scores:
    """Score (N,) predictions on the training part: `clean`: share of the correct labels that are predicted;
    `memorised`: share of the wrong labels that are predicted; `corrected`: share of wrongly labelled images whose true
    label is predicted.

    `true` is -1 for an image of none of the classes: its label is wrong and may be memorised, but cannot be corrected.
    """
    correctable = ~clean & (true >= 0)
    return {
        "clean": share(predicted[clean] == given[clean]),
        "memorised": share(predicted[~clean] == given[~clean]),
        "corrected": share(predicted[correctable] == true[correctable]),
    }


def division_scores(division: Division, given: Tensor, clean: Tensor | None, num_classes: int) -> Scores:
    """Score a division: threshold, state; labelled_share, labelled_noise (share of wrong labels in the labelled set),
    auc, precision, recall; per_class: the last five by given class, [K] each.

    Args:
        given: (N,) given labels of the training part. clean: (N,) bool; None if unknown.
    """

    def quality(member: Tensor) -> dict[str, float]:
        labelled, found = division.labelled[member], SplitQuality(NAN, NAN, NAN)
        if clean is not None:
            found = split_quality(division.clean_probability[member], labelled, clean[member])
        return {"labelled_share": share(labelled), "labelled_noise": 1 - found.precision} | found._asdict()

    per_class = [quality(given == k) for k in range(num_classes)]
    return (
        {"threshold": division.threshold, "state": division.state}
        | quality(torch.ones_like(division.labelled))
        | {"per_class": {name: [row[name] for row in per_class] for name in per_class[0]}}
    )
