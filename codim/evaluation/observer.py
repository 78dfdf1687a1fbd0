"""The observer: metrics against true labels and test images, which training never sees."""

from typing import NamedTuple

import torch
from torch import Tensor

from codim.data.augment import Augmenter
from codim.data.load import TrainingData, Truth
from codim.data.stored import Images
from codim.division.divide import Division, loss_histogram
from codim.evaluation.calibration import expected_calibration_error, reliability
from codim.evaluation.evaluate import NAN, Evaluation, accuracy, share, top_k_accuracy
from codim.evaluation.predict import predict
from codim.metrics import OracleMetrics
from codim.models.network import Network


class SplitQuality(NamedTuple):
    """Quality of a division as a detector of correct labels; NaN if undefined."""

    auc: float
    """Area under the ROC curve of the clean probability."""
    precision: float
    """Share of the labelled set whose label is correct."""
    recall: float
    """Share of the correctly labelled samples that are in the labelled set."""


def split_quality(clean_probability: Tensor, labelled: Tensor, clean: Tensor) -> SplitQuality:
    """Score (N,) clean probabilities and (N,) bool `labelled` against the truth `clean`, (N,) bool."""
    from sklearn.metrics import roc_auc_score  # slow to import

    both_kinds = bool(clean.any()) and not bool(clean.all())
    auc = float(roc_auc_score(clean.cpu(), clean_probability.cpu())) if both_kinds else NAN
    return SplitQuality(auc, share(clean[labelled]), share(labelled[clean]))


def lowest_recall(labelled: Tensor, clean: Tensor, labels: Tensor) -> float:
    """Return the lowest recall of any class that has a clean sample; NaN if none has.

    Args:
        labels: (N,) given labels, equal to the true ones for all clean samples.
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
    """Metrics against true labels and test images. Only the caller of a training may hold one, training never does."""

    def __init__(self, data: TrainingData, truth: Truth, augmenter: Augmenter) -> None:
        self.truth, self.augmenter = truth, augmenter
        self.given, self.clean = data.labels, truth.clean

    def measure(self, networks: list[Network], seen: Evaluation, divisions: list[Division]) -> OracleMetrics:
        """Compute the metrics after an epoch. `divisions`: empty before co-training."""
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
