"""What finished trials say about the search itself: what they cost for what they reach, and whether stopping was safe.

Numbers and tables only, so that the analysis can use it too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from scipy import stats

from study.results.records import TrialRecord

UNSAFE_CORRELATION = 0.25
"""Spearman's, below which stopping at a rung is called unsafe.

Only trials that went on have a final value, and those are alike at the rung: where all settings' values at the rung
correlate with the final ones by .5 (both normal), Spearman's is .26 among the best third at the rung; and then the best
of 27 settings is outside that third, and stopped, one time in four. tests/study/results/test_verdicts.py simulates
both.
"""
MIN_TRIALS = 10
"""No verdict on fewer complete trials; with 10, the 95 % interval of a correlation of .25 is -.45 to .76."""


class RankCorrelation(NamedTuple):
    """Of a rung's values with the final ones."""

    samples: int
    """Where the rung lies."""
    n: int
    """Complete searched trials that have both values."""
    spearman: float
    """NaN where one of the two does not vary, or n < 2."""
    kendall: float

    @property
    def unsafe(self) -> bool:
        return self.n >= MIN_TRIALS and self.spearman < UNSAFE_CORRELATION


def pareto_front(records: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """By condition: of the trials that can be the best, those that no other one beats in objective and seconds both,
    the cheapest first. Equal ones are all kept."""
    conditions: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.can_be_best:
            conditions.setdefault(record.condition, []).append(record)
    return {name: _front(own) for name, own in conditions.items()}


def _front(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    front: list[TrialRecord] = []
    for record in sorted(records, key=lambda r: (r.seconds, -r.objective)):
        best = front[-1] if front else None
        if best is None or record.objective > best.objective or _same(record, best):
            front.append(record)
    return front


def _same(one: TrialRecord, other: TrialRecord) -> bool:
    return (one.seconds, one.objective) == (other.seconds, other.objective)


def rank_correlation(
    curves: Iterable[Sequence[Mapping[str, Any]]], rung: int, metric: str, last: int
) -> RankCorrelation:
    """Of the objective at a rung with the one at the end, of later epochs only (`rung_pairs`).

    Args:
        curves: the epochs of each complete trial, in order; `phase`, `samples` and `metric` of each are read.
        rung: in samples; a trial's value there is that of its first epoch that ends at the rung or past it.
        last: the k of mean_last_<k>.
    """
    pairs = rung_pairs(curves, rung, metric, last)
    at_rung, final = zip(*pairs, strict=True) if pairs else ((), ())
    if len(set(at_rung)) < 2 or len(set(final)) < 2:
        return RankCorrelation(rung, len(pairs), math.nan, math.nan)
    return RankCorrelation(
        rung,
        len(pairs),
        float(stats.spearmanr(at_rung, final).statistic),
        float(stats.kendalltau(at_rung, final).statistic),
    )


def rung_pairs(
    curves: Iterable[Sequence[Mapping[str, Any]]], rung: int, metric: str, last: int
) -> list[tuple[float, float]]:
    """(objective at the rung, at the end) of each trial that has an epoch after the rung. Arguments as of
    `rank_correlation`.

    No epoch counts for both: at a rung fewer than `last` epochs before the end, the end is the epochs after it alone.
    With the objective itself, late rungs share epochs with it, and correlate without any signal: of 60 epochs and the
    last 5, by .2 at the 56th and .8 at the 59th.
    """
    pairs = []
    for curve in curves:
        rows = [row for row in curve if row["phase"] != "pretrain"]
        place = next((i for i, row in enumerate(rows) if row["samples"] >= rung), None)
        if place is not None and place + 1 < len(rows):
            values = [float(row[metric]) for row in rows]
            pairs.append((_tail(values[: place + 1], last), _tail(values[place + 1 :], last)))
    return pairs


def _tail(values: Sequence[float], last: int) -> float:
    tail = values[-last:]
    return math.fsum(tail) / len(tail)
