"""Predictions, and what an observer with true labels makes of them epoch by epoch (at the end: codim/scorecard.py)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codim.augment import Augmenter
from codim.calibration import expected_calibration_error, reliability
from codim.datasets import TrainingData, Truth
from codim.divide import Division, loss_histogram
from codim.image_cache import Images
from codim.metrics import OracleMetrics
from codim.networks import Network
from codim.parallel import gather, workers
from codim.parallel import share as own_share

NAN = float("nan")


@torch.no_grad()
def predict(
    networks: Sequence[nn.Module],
    images: Images,
    augmenter: Augmenter,
    index: Tensor | None = None,
    batch_size: int = 1024,
) -> Tensor:
    """Outputs (networks, N, K) for uint8 images without augmentation, in evaluation mode; logits, where the networks
    are whole, features, where they are encoders. Several workers share the passes; all must call it.

    Args:
        index: (N,) which of the images; all by default.
    """
    for net in networks:
        net.eval()
    if index is None:
        index = torch.arange(len(images), device=images.device)
    # Some images once more, where the workers' shares would differ in length.
    rows = torch.arange(-(-len(index) // workers()) * workers(), device=index.device)
    padded = index[rows % max(len(index), 1)]
    parts = []
    for chunk in own_share(padded).split(batch_size):
        x = augmenter.plain(images[chunk])
        parts.append(torch.stack([net(x) for net in networks], dim=1))
    return gather(torch.cat(parts))[: len(index)].transpose(0, 1).contiguous()


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


class SplitQuality(NamedTuple):
    """The division as a detector of clean labels; NaN where a measure has no value."""

    auc: float
    """Area under the ROC curve of the clean probability."""
    precision: float
    """Share of the labelled set that is clean."""
    recall: float
    """Share of the clean samples that are labelled."""


def split_quality(clean_probability: Tensor, labelled: Tensor, clean: Tensor) -> SplitQuality:
    """Of (N,) clean probabilities and (N,) bool, labelled set and truth."""
    from sklearn.metrics import roc_auc_score  # slow to import

    both_kinds = bool(clean.any()) and not bool(clean.all())
    auc = float(roc_auc_score(clean.cpu(), clean_probability.cpu())) if both_kinds else NAN
    return SplitQuality(auc, share(clean[labelled]), share(labelled[clean]))


def lowest_recall(labelled: Tensor, clean: Tensor, labels: Tensor) -> float:
    """The recall of the class with the lowest, of those that have a clean sample; NaN where none has.

    Args:
        labels: (N,) given labels, which are the true ones wherever the recall looks.
    """
    found = labels[labelled & clean].bincount(minlength=int(labels.max()) + 1)
    possible = labels[clean].bincount(minlength=len(found))
    recall = found[possible > 0] / possible[possible > 0]
    return recall.min().item() if len(recall) else NAN


class _TestScores(NamedTuple):
    acc: float = NAN
    acc_a: float = NAN
    acc_b: float = NAN
    top5: float = NAN
    ece: float = NAN


class Observer:
    """Measures against true labels and test images. Training never holds one; its caller may."""

    def __init__(self, data: TrainingData, truth: Truth, augmenter: Augmenter) -> None:
        self.truth, self.augmenter = truth, augmenter
        self.given, self.clean = data.labels, truth.clean

    def measure(self, networks: list[Network], seen: Evaluation, divisions: list[Division]) -> OracleMetrics:
        """After an epoch. `divisions`: empty before co-training."""
        test = self._test(networks, self.truth.test_images, self.truth.test_labels)
        second = self._test(networks, self.truth.second_test_images, self.truth.second_test_labels)
        split, recall_min, memorised = SplitQuality(NAN, NAN, NAN), NAN, NAN
        wrong: list[int] = []
        if self.clean is not None:
            memorised = share(seen.agrees[~self.clean[seen.images]])
            if divisions:
                both = [split_quality(d.clean_probability, d.labelled, self.clean[d.index]) for d in divisions]
                split = SplitQuality(*torch.tensor(both, dtype=torch.float64).mean(0).tolist())
                recall_min = min(lowest_recall(d.labelled, self.clean[d.index], self.given[d.index]) for d in divisions)
                wrong = loss_histogram(divisions, ~self.clean)
        return OracleMetrics(
            oracle_test_acc=test.acc,
            oracle_test_acc_a=test.acc_a,
            oracle_test_acc_b=test.acc_b,
            oracle_test_top5=test.top5,
            oracle_test_ece=test.ece,
            oracle_test2_acc=second.acc,
            oracle_test2_top5=second.top5,
            oracle_split_auc=split.auc,
            oracle_split_precision=split.precision,
            oracle_split_recall=split.recall,
            oracle_split_recall_min=recall_min,
            oracle_memorised=memorised,
            oracle_loss_histogram=wrong,
        )

    def _test(self, networks: list[Network], images: Images | None, labels: Tensor | None) -> _TestScores:
        if images is None or labels is None or not len(labels):
            return _TestScores()
        logits = predict(networks, images, self.augmenter)
        mean = logits.mean(0)
        return _TestScores(
            accuracy(logits.sum(0), labels),
            accuracy(logits[0], labels),
            accuracy(logits[1], labels),
            top_k_accuracy(mean, labels),
            expected_calibration_error(reliability(mean, labels)),
        )
