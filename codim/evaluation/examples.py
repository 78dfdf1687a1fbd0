"""Examples of labels that a training finds wrong, of wrong ones that it misses, and of right ones that it doubts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from codim.evaluation.evaluate import Evaluation
from codim.metrics import LabelKind


@dataclass(frozen=True)
class Group:
    """Images of one kind in the training part."""

    kind: LabelKind
    count: int
    """Number of all of them."""
    index: Tensor
    """Those of which the networks are surest, the surest first; indices into TrainingData.images, (n,) int64."""


def examples(seen: Evaluation, clean: Tensor | None, most: int) -> list[Group]:
    """Choose up to `most` images of each kind by the loss of the given label, the mean of both networks: the largest of
    contradicted labels, the smallest of missed ones. So they are the extremes of their kind, not its average.

    Args:
        clean: whether each label of TrainingData.images is correct, (N,) bool; None if unknown.
    """
    loss, against = seen.losses.mean(0), ~seen.agrees
    kinds: dict[LabelKind, Tensor] = {"contradicted": against}
    if clean is not None:
        right = clean[seen.images]
        kinds = {"found": against & ~right, "missed": ~against & ~right, "doubted": against & right}
    groups = []
    for kind, of_kind in kinds.items():
        (own,) = torch.where(of_kind)
        surest = loss[own].argsort(descending=kind != "missed", stable=True)[:most]
        groups.append(Group(kind, len(own), seen.images[own[surest]]))
    return groups
