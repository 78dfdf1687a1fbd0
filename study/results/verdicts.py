"""Assessment of the search by its finished trials: Pareto fronts of accuracy and time, and whether pruning was safe.

It uses numbers and tables only, so that the analysis can use it too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from scipy import stats

from study.results.records import TrialRecord

UNSAFE_CORRELATION = 0.25
"""Spearman correlation below which stopping at a rung is called unsafe.

Only trials that passed the rung have a final value, and they are alike at the rung: if the values of all settings at
the rung and at the end (both normal) correlate by .5, Spearman's is .26 among the best third at the rung; and then the
best of 27 settings is outside that third, and stopped, one time in four. Both are simulated in
tests/study/results/test_verdicts.py.
"""
MIN_TRIALS = 10
"""Fewest complete trials for a verdict; with 10, the 95 % interval of a correlation of .25 is -.45 to .76."""


class RankCorrelation(NamedTuple):
    """Rank correlation of the objective's values at a rung with the final ones."""

    samples: int
    """Position of the rung, in samples."""
    n: int
    """Number of complete searched trials that have both values."""
    spearman: float
    """Spearman's correlation; NaN if one of the two does not vary, or n < 2."""
    kendall: float

    @property
    def unsafe(self) -> bool:
        return self.n >= MIN_TRIALS and self.spearman < UNSAFE_CORRELATION


def pareto_front(records: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Return condition -> Pareto front in objective and seconds of the trials that can be the best, the cheapest first.
    Equal trials are all kept."""
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
    """Correlate the objective at a rung with the one at the end, of later epochs only (`rung_pairs`).

    Args:
        curves: the epochs of each complete trial, in order; `phase`, `samples` and `metric` of each are read.
        rung: in samples; a trial's value there is that of its first epoch that ends at or past the rung.
        last: number of last epochs that the objective averages, the k of mean_last_<k>.
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
    """Return (objective at the rung, at the end) of each trial with an epoch after the rung. Arguments as in
    `rank_correlation`.

    No epoch counts for both: if fewer than `last` epochs follow the rung, the end is the mean of those alone. The
    objective itself shares epochs with late rungs and so correlates without any signal: with 60 epochs and the last 5,
    by .2 at the 56th and .8 at the 59th.
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
