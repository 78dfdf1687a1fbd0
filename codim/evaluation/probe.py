"""Probes of an encoder: accuracy of nearest neighbours and of a linear classifier on its features.

Fitted to the *given* labels of the training part and scored on those of the validation part: no true label is used, so
training may log it. Wrong labels in the validation part bound the value as they bound val_acc; compare encoders within
one condition only.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.evaluation.evaluate import NAN, share
from codim.evaluation.predict import predict
from codim.models.network import Network

SIMILARITIES = 2**24
"""Number of similarities held at a time: 64 MiB in float32."""


class Probe(NamedTuple):
    """Accuracies on the given labels of the validation part, in [0, 1]; NaN without one."""

    knn: float
    linear: float


def probe(net: Network, data: TrainingData, augmenter: Augmenter) -> Probe:
    """Probe the encoder of `net`, in one pass over all images. Holds their features, N x D float32; leaves the encoder
    in evaluation mode."""
    if not len(data.val_index):
        return Probe(NAN, NAN)
    features = predict([net.encoder], data.images, augmenter)[0]
    train, val = data.train_index, data.val_index
    parts = features[train], data.labels[train], features[val], data.labels[val]
    return Probe(knn_accuracy(*parts, num_classes=len(data.classes)), linear_accuracy(*parts))


def knn_accuracy(
    features: Tensor,
    labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """Accuracy of a vote of the k nearest neighbours by cosine similarity s, weighted by exp(s / temperature) (Wu et
    al. 2018, "Unsupervised feature learning via non-parametric instance discrimination", section 3.4; t .07 there; k
    20: Caron et al. 2021, "DINO").

    Args:
        features: (N, D). labels: (N,) int64. test_features: (M, D). test_labels: (M,). With N < k all N vote.
    """
    keys = F.normalize(features, dim=1)
    hits = []
    rows = max(1, SIMILARITIES // len(keys))
    for queries, wanted in zip(test_features.split(rows), test_labels.split(rows), strict=True):
        near = (F.normalize(queries, dim=1) @ keys.T).topk(min(k, len(keys)), dim=1)
        # Scaled so that the nearest has weight 1: same vote, but no overflow at small temperatures.
        weights = ((near.values - near.values[:, :1]) / temperature).exp()
        votes = torch.zeros(len(queries), num_classes, dtype=weights.dtype, device=weights.device)
        votes.scatter_add_(1, labels[near.indices], weights)
        hits.append(votes.argmax(1) == wanted)
    return share(torch.cat(hits))


def linear_accuracy(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor) -> float:
    """Accuracy of logistic regression on standardised features, by scikit-learn (penalty C = 1), on the CPU.

    Args:
        features: (N, D). labels: (N,) int64. test_features: (M, D). test_labels: (M,).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(labels.unique()) == 1:
        return share(test_labels == labels[0])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(features.cpu().numpy(), labels.cpu().numpy())
    return float(model.score(test_features.cpu().numpy(), test_labels.cpu().numpy()))
