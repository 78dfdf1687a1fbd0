"""The one row that every epoch reports. Standard library only, so that the study and the analysis can read it
anywhere."""

from dataclasses import dataclass
from typing import Literal

LabelKind = Literal["found", "missed", "doubted", "contradicted"]
"""found: a wrong label that the ensemble contradicts; missed: a wrong one that it predicts; doubted: a right one that
it contradicts. Where true labels are unknown, contradicted: any that it contradicts."""
Phase = Literal["pretrain", "warmup", "cotrain"]
SplitState = Literal["none", "given", "ok", "clipped", "unimodal", "degenerate"]


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of an epoch that training itself knows: none is computed from a true label or a test image.

    A field without a value in this phase is NaN (a float) or "none" (`split_state`).
    """

    epoch: int
    """Zero-based, over all phases."""
    phase: Phase
    """pretrain: without labels; warmup: on all given labels; cotrain: on the divided training part."""
    samples: int
    """Images drawn so far for the gradient steps of one network (mean of both), pre-training included."""
    seconds: float
    """Wall time of this epoch, its evaluation included."""
    learning_rate: float
    """Learning rate of the last step of this epoch, 0 or more."""
    loss: float
    """Mean training loss per step, over both networks; its terms times their weights."""
    loss_x: float
    """Cross-entropy of the labelled set against its refined targets, in nats."""
    loss_u: float
    """Mean squared error of predictions for the unlabelled set against guessed targets, in [0, 1]."""
    loss_c: float
    """Contrastive term before its weight, in nats: the whole loss of pre-training; 0 where co-training has none."""
    loss_reg: float
    """Divergence of the mean prediction from equally frequent classes, in nats; 0: equally frequent."""
    lambda_u: float
    """Weight of `loss_u` at the end of this epoch, after the ramp-up."""
    val_acc: float
    """Accuracy of the two-network ensemble on the validation part, against its *given* labels, in [0, 1]."""
    val_acc_a: float
    """`val_acc` of the first network alone, in [0, 1]."""
    val_acc_b: float
    """`val_acc` of the second network alone, in [0, 1]."""
    val_loss: float
    """Cross-entropy of the ensemble on the validation part, in nats."""
    labelled_fraction: float
    """Share of the training part that co-divide put in the labelled set, mean of both networks, in [0, 1]."""
    threshold: float
    """The threshold on the clean probability after clipping, mean of both networks, in [0, 1]."""
    separation: float
    """Distance of the mixture's means over their pooled standard deviation, mean of both networks, 0 or more."""
    split_state: SplitState
    """The worse of the two networks' divisions."""
    classes_without_labelled: int
    """Given classes with no sample in the labelled set, the larger of both networks."""
    loss_histogram: list[int]
    """Samples in each of equal bins over [0, 1] of the scaled losses that were divided, counts of both networks added;
    empty where none were."""


@dataclass(frozen=True)
class OracleMetrics:
    """Metrics of an epoch that need true labels or test images; training and search never see them.

    A metric without a value is NaN (a float) or empty: without a test part, without true labels, or before the first
    division.
    """

    oracle_test_acc: float
    """Accuracy of the two-network ensemble on the clean test part, in [0, 1]."""
    oracle_test_acc_a: float
    """`oracle_test_acc` of the first network alone, in [0, 1]."""
    oracle_test_acc_b: float
    """`oracle_test_acc` of the second network alone, in [0, 1]."""
    oracle_test_top5: float
    """Share of the test part whose label is among the ensemble's five largest logits; NaN for up to five classes."""
    oracle_test_ece: float
    """Expected calibration error of the ensemble on the test part, in [0, 1] (see codim/evaluation/calibration.py)."""
    oracle_test2_acc: float
    """`oracle_test_acc` on the second test part, where the data set has one (ILSVRC12 for WebVision)."""
    oracle_test2_top5: float
    """`oracle_test_top5` on the second test part, in [0, 1]."""
    oracle_split_auc: float
    """Area under the ROC curve of the clean probability against 'given label = true label', mean of both networks."""
    oracle_split_precision: float
    """Share of the labelled set whose given label is true, mean of both networks; 1 minus this is the realised noise
    of the labelled set."""
    oracle_split_recall: float
    """Share of the truly clean samples that are in the labelled set, mean of both networks."""
    oracle_split_recall_min: float
    """The recall of the class with the lowest, over the true classes and both networks: near 0, a class is lost."""
    oracle_memorised: float
    """Share of the wrongly labelled training samples whose given (wrong) label the ensemble predicts."""
    oracle_loss_histogram: list[int]
    """The part of `loss_histogram` whose given label is wrong."""
