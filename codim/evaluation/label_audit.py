"""Label audit: one row per image, and from these the suspects that a person should check."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor

from codim.config.divide import DivideConfig
from codim.data.load import TrainingData
from codim.data.stored import Stored
from codim.division.divide import divide, scale_losses
from codim.evaluation.label_statistics import LabelStatistics
from codim.text.safe_text import printable

LITTLE_AGREEMENT, MUCH_AGREEMENT, HALF = 0.75, 0.9, 0.5


@dataclass(frozen=True)
class Suspect:
    """Image whose given label the networks contradict; its fields are the columns of the table, names are printable."""

    rank: int
    class_rank: int
    """Rank among those with the same given label."""
    index: int
    """Position in the training set."""
    file: str
    """File below `data/root` (as listed in a table), or id of an embedding; empty if the samples have neither."""
    part: str
    """Part of the data: train or validation."""
    given_label: str
    suggested_label: str
    clean_probability: float
    confidence_a: float
    confidence_b: float
    mean_probability: float
    """Probability of the given label, mean over both networks and all epochs; NaN, like the next two, if unknown."""
    mean_margin: float
    """Logit of the given label less the largest other one, likewise."""
    contradicted: float
    """Share of the epochs whose prediction contradicts the given label, likewise."""


@dataclass(frozen=True)
class ClassAudit:
    """How many labels of one class are contradicted; its fields are the columns of the table."""

    given_label: str
    images: int
    contradicted: int
    share: float
    """Share of its labels that are contradicted, in [0, 1]; NaN, like its interval, without an image."""
    share_low: float
    """Lower end of the 95% interval of the share, were its images drawn from many (Wilson 1927)."""
    share_high: float


@dataclass(frozen=True)
class Trust:
    """How far the networks can be trusted, by images that they were not trained on."""

    images: int
    """Held-out images; 0: none was held out, and nothing can be said."""
    accuracy: float
    """Share of them whose given label is the networks' answer, in [0, 1]."""
    agreement: float
    """Share of them for which both networks have the same answer. Where they differ one at least is wrong, so each is
    wrong, on average, for half of the others or more."""

    @property
    def level(self) -> str:
        """unknown, little, some or much; the bounds are a convention."""
        if not self.images:
            return "unknown"
        if self.agreement < LITTLE_AGREEMENT:
            return "little"
        # Where half of the held-out labels are contradicted, either they are that noisy or the networks that weak.
        return "some" if self.agreement < MUCH_AGREEMENT or self.accuracy < HALF else "much"


def trust(data: TrainingData, logits: Tensor) -> Trust:
    """Measure the networks on the validation part. `logits`: (2, N, K) over all of data.images."""
    index = data.val_index
    if not len(index):
        return Trust(0, float("nan"), float("nan"))
    own, given = logits[:, index], data.labels[index]
    accuracy = (own.sum(0).argmax(1) == given).double().mean()
    agreement = (own[0].argmax(1) == own[1].argmax(1)).double().mean()
    return Trust(len(index), accuracy.item(), agreement.item())


STATISTICS = ("mean_probability", "mean_margin", "contradicted")
"""Columns of the means over the epochs."""


def label_audit(
    data: TrainingData, logits: Tensor, config: DivideConfig, statistics: LabelStatistics | None = None
) -> pa.Table:
    """Build the audit table, in the order of the training set. Columns: `index`, `given_label`, `clean_probability`
    (mean over both networks' mixtures of the current losses), `suggested_label` (of the ensemble), `confidence_a` and
    `confidence_b` (each network's probability of the suggested label); `mean_probability`, `mean_margin` and
    `contradicted`, as in Suspect; `trusted`, whether somebody has checked the label.

    Args:
        logits: (2, N, K) over all of data.images.
        statistics: of these images; None if unknown.
    """
    scaled = torch.stack([scale_losses(F.cross_entropy(own, data.labels, reduction="none")) for own in logits])
    index = torch.arange(len(data.labels), device=data.labels.device)
    divisions = divide(scaled, index, data.labels, config, data.trusted)
    clean = torch.stack([division.clean_probability for division in divisions]).mean(0)
    suggested = logits.sum(0).argmax(1)
    confidence = logits.softmax(2).gather(2, suggested.expand(2, -1)[..., None])[..., 0]
    columns = {
        "index": index,
        "given_label": data.labels,
        "clean_probability": clean,
        "suggested_label": suggested,
        "confidence_a": confidence[0],
        "confidence_b": confidence[1],
    }
    if statistics is None:
        columns |= {name: torch.full_like(clean, torch.nan) for name in STATISTICS}
    else:
        means = statistics.means(torch.arange(len(index), device=statistics.epochs.device))
        both = (means.probability, means.margin, means.contradicted)
        columns |= {name: own.mean(0) for name, own in zip(STATISTICS, both, strict=True)}
    columns["trusted"] = torch.zeros_like(index, dtype=torch.bool) if data.trusted is None else data.trusted
    return pa.table({name: column.cpu().numpy() for name, column in columns.items()})


def doubted(row: Mapping[str, Any]) -> bool:
    """Whether the networks contradict the label of a row of the table, and nobody has checked it."""
    return bool(row["suggested_label"] != row["given_label"] and not row["trusted"])


def suspects(table: pa.Table, data: TrainingData) -> list[Suspect]:
    """Select images whose label is doubted, sorted by (1 - clean probability) * (mean confidence), the largest first:
    the given label is hard to learn, and both networks know a better one."""
    rows = [row for row in table.to_pylist() if doubted(row)]
    rows.sort(
        key=lambda row: ((row["clean_probability"] - 1) * (row["confidence_a"] + row["confidence_b"]), row["index"])
    )
    names = [printable(name) for name in data.classes]
    held_out = set(data.val_index.tolist())
    class_ranks = _occurrences(row["given_label"] for row in rows)
    return [
        Suspect(
            rank=rank,
            class_rank=class_rank,
            index=row["index"],
            file=printable(data.images.name(row["index"])) if isinstance(data.images, Stored) else "",
            part="validation" if row["index"] in held_out else "train",
            given_label=names[row["given_label"]],
            suggested_label=names[row["suggested_label"]],
            clean_probability=row["clean_probability"],
            confidence_a=row["confidence_a"],
            confidence_b=row["confidence_b"],
            mean_probability=row["mean_probability"],
            mean_margin=row["mean_margin"],
            contradicted=row["contradicted"],
        )
        for rank, (row, class_rank) in enumerate(zip(rows, class_ranks, strict=True), start=1)
    ]


def _occurrences(values: Iterable[int]) -> Iterator[int]:
    """Yield for each value how often it has occurred so far, itself included."""
    seen: Counter[int] = Counter()
    for value in values:
        seen[value] += 1
        yield seen[value]


def worst(found: Sequence[Suspect], limit: int) -> list[Suspect]:
    """Select at most `limit` of the suspects, by rank: half of them the most suspicious of all, the others by turns
    over the given labels, so that a common class with many leaves room for a rare one with few."""
    first = found[: limit - limit // 2]
    others = sorted(found[len(first) :], key=lambda suspect: (suspect.class_rank, suspect.rank))
    return sorted([*first, *others[: limit - len(first)]], key=lambda suspect: suspect.rank)


def by_class(data: TrainingData, found: Sequence[Suspect]) -> list[ClassAudit]:
    """Count the labels of each class, and those of them that are contradicted."""
    from scipy.stats import binomtest  # slow to import

    images = data.labels.bincount(minlength=len(data.classes)).tolist()
    wrong = Counter(int(data.labels[suspect.index]) for suspect in found)
    rows = []
    for k, name in enumerate(data.classes):
        share = low = high = float("nan")
        if images[k]:
            share = wrong[k] / images[k]
            low, high = binomtest(wrong[k], images[k]).proportion_ci(method="wilson")
        rows.append(ClassAudit(printable(name), images[k], wrong[k], share, low, high))
    return rows
