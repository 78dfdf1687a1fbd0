"""Does a network that says 80 % err in one case of five? (Guo et al. 2017, "On calibration of modern neural networks")

The ensemble's probabilities are the softmax of the *mean* of both networks' logits. The prediction, argmax of their
sum, is the same class; the softmax of the sum would be as sharp as one network at temperature 1/2, and the mean of both
softmaxes can prefer another class than the prediction.
"""

from typing import NamedTuple

import torch
from torch import Tensor

BINS = 15
"""Number of confidence bins, as Guo et al. 2017."""


class Reliability(NamedTuple):
    """Reliability by confidence in equal-width bins ((m - 1)/M, m/M]; tensors (M,) float64, NaN means in empty bins."""

    samples: Tensor
    confidence: Tensor
    """Mean probability of the predicted class."""
    accuracy: Tensor
    """Share of correct predictions."""


def reliability(logits: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """Compute the reliability of (N, K) logits, for ensembles the mean over networks, against (N,) labels."""
    confidence, predicted = logits.double().softmax(1).max(1)
    inner_edges = torch.arange(1, bins, device=logits.device, dtype=torch.float64) / bins
    member = torch.bucketize(confidence, inner_edges)
    samples, total, right = (
        torch.zeros(bins, dtype=torch.float64, device=logits.device).index_add(0, member, values)
        for values in (torch.ones_like(confidence), confidence, (predicted == labels).double())
    )
    return Reliability(samples, total / samples, right / samples)


def expected_calibration_error(bins: Reliability) -> float:
    """Return sum_m n_m / N |accuracy_m - confidence_m| (Guo et al. 2017, eq. 3), in [0, 1]; NaN without samples."""
    samples, confidence, accuracy = (values[bins.samples > 0] for values in bins)
    return ((samples * (accuracy - confidence).abs()).sum() / samples.sum()).item()
