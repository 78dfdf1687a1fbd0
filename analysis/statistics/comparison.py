"""Comparison of the chosen setting with the baselines, over conditions and seeds, from the confirming trainings.

All scores are test accuracies of complete trainings; `analysis.statistics.confirmation.confirmation_table` counts
failures. Repeat r of a condition has one noise draw for all its settings in a study (study/confirm/confirm.py), so
equal repeats of one study are pairs; each training has its own seed.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.frames.join import study_names
from analysis.frames.load import Trials
from analysis.statistics.bootstrap import Scores, interquartile_mean, probability_of_improvement, stratified_interval
from analysis.statistics.intervals import varies
from analysis.tables.selection import chosen, confirmed_trainings

_PAIRED_COLUMNS = [
    "condition",
    "rival",
    "oracle_difference",
    "difference_low",
    "difference_high",
    "hedges_g",
    "p_value",
    "holm",
    "n",
]


def confirmed_methods(trials: Trials) -> pd.DataFrame:
    """Return one row per method and complete confirmation, with the columns of `Trials.confirmations`.

    Methods: each baseline; "chosen", the setting that the search ranked first in the condition;
    "robust", the setting confirmed in the most conditions, if in more than one. If both are the same setting, its
    trainings count for both.
    """
    frame = confirmed_trainings(trials)
    first = chosen(trials)["trial"].to_dict()
    searched = frame[frame["baseline"] == ""]
    places = searched.groupby("setting")["condition"].nunique()
    robust = places.idxmax() if places.max() > 1 else None
    parts = [
        frame[frame["baseline"] != ""].assign(method=lambda rows: rows["baseline"]),
        searched[searched["setting"] == searched["condition"].astype(object).map(first)].assign(method="chosen"),
        searched[searched["setting"] == robust].assign(method="robust"),
    ]
    return pd.concat(parts, ignore_index=True)


def confirmed_scores(trials: Trials) -> pd.DataFrame:
    """Return the scores of `confirmed_methods`: `condition`, `method`, `trial`, `repeat`, `oracle_test_acc`."""
    scores = confirmed_methods(trials).rename(columns={"number": "repeat"})
    return scores[["condition", "method", "trial", "repeat", "oracle_test_acc"]]


def in_shared_conditions(scores: pd.DataFrame) -> pd.DataFrame:
    """Keep the conditions that have every method: aggregates over conditions are only comparable there."""
    methods = scores.groupby("condition", observed=True)["method"].nunique()
    return scores[scores["condition"].isin(methods.index[methods == scores["method"].nunique()])]


def aggregate_table(trials: Trials) -> pd.DataFrame:
    """Interquartile mean of each method over the conditions in which all were confirmed, the highest first.

    Columns: `method`, `iqm`, `iqm_low`, `iqm_high` (95%, `analysis.statistics.bootstrap`), `conditions`, `n`
    (trainings).
    """
    rows = []
    for method, own in in_shared_conditions(confirmed_scores(trials)).groupby("method", sort=False):
        samples = [part.to_numpy(dtype=float) for _, part in own.groupby("condition", observed=True)["oracle_test_acc"]]
        iqm = stratified_interval(samples, interquartile_mean)
        rows.append((method, iqm.mean, iqm.low, iqm.high, len(samples), iqm.n))
    table = pd.DataFrame(rows, columns=["method", "iqm", "iqm_low", "iqm_high", "conditions", "n"])
    return table.sort_values("iqm", ascending=False, kind="stable", ignore_index=True)


def improvement_table(trials: Trials) -> pd.DataFrame:
    """Probability that a training with the chosen setting beats one with the baseline, one row per baseline, over the
    conditions in which both were confirmed.

    Columns: `rival` (the baseline), `improvement`, `improvement_low`, `improvement_high` (95%,
    `analysis.statistics.bootstrap`; NaN for a single condition, in which few seeds make the probability too coarse),
    `conditions`, `n` (trainings of both). Both are treated as independent although they share noise draws, so the
    interval tends to be too wide.
    """
    scores, rows = confirmed_scores(trials), []
    for rival in trials.baselines:
        shared = in_shared_conditions(scores[scores["method"].isin(["chosen", rival])])
        if shared["method"].nunique() < 2:
            continue
        # The chosen setting first in each condition.
        own = shared.groupby(["condition", shared["method"] != "chosen"], observed=True)["oracle_test_acc"]
        samples = [part.to_numpy(dtype=float) for _, part in own]
        ahead, conditions = stratified_interval(samples, probability_of_improvement), len(samples) // 2
        low, high = (ahead.low, ahead.high) if conditions > 1 else (math.nan, math.nan)
        rows.append((rival, ahead.mean, low, high, conditions, ahead.n))
    columns = ["rival", "improvement", "improvement_low", "improvement_high", "conditions", "n"]
    return pd.DataFrame(rows, columns=columns)


def paired_table(trials: Trials) -> pd.DataFrame:
    """Compare the chosen setting with each baseline in each condition with at least two pairs; one row per comparison.

    Columns: `condition`, `rival` (the baseline), `oracle_difference` (mean, chosen minus baseline), `difference_low`,
    `difference_high` (95%, Student's t), `hedges_g`, `p_value` (paired t-test, two-sided; a rank test of five pairs
    cannot go below .06), `holm` (corrected over all rows), `n` (pairs). NaN if all differences are equal.
    """
    scores, rows = confirmed_scores(trials), []
    for rival in trials.baselines:
        for condition, pairs in _pairs(scores, rival):
            n, difference = len(pairs), pairs[:, 0] - pairs[:, 1]
            if n < 2:
                continue
            low = high = p_value = math.nan
            if varies(difference):
                test = stats.ttest_rel(pairs[:, 0], pairs[:, 1])
                (low, high), p_value = test.confidence_interval(0.95), test.pvalue
            rows.append((condition, rival, difference.mean(), low, high, hedges_g(pairs), p_value, math.nan, n))
    table = pd.DataFrame(rows, columns=_PAIRED_COLUMNS)
    table["holm"] = holm(table["p_value"].to_numpy(dtype=float))
    table["condition"] = table["condition"].astype(trials.confirmations["condition"].dtype)
    return table.sort_values("condition", kind="stable", ignore_index=True)


def closest_rivals(trials: Trials) -> pd.DataFrame:
    """Select from `paired_table`, for each condition, the baseline by which the chosen setting leads least: if it beats
    this one, it beats all."""
    table = paired_table(trials)
    return table.loc[table.groupby("condition", observed=True)["oracle_difference"].idxmin()]


def hedges_g(pairs: Scores) -> float:
    """Standardised difference of the columns of (n, 2), first minus second: over the root of their mean variance, times
    1 - 3/(4 (2n - 2) - 1) against its bias (Hedges 1981). NaN without any spread."""
    if not varies(pairs):
        return math.nan
    deviation = math.sqrt(pairs.var(axis=0, ddof=1).mean())
    small = 1 - 3 / (4 * (2 * len(pairs) - 2) - 1)
    return small * float(pairs[:, 0].mean() - pairs[:, 1].mean()) / deviation


def holm(p_values: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return p-values corrected by Holm 1979: in ascending order, times the number of hypotheses not yet rejected. NaNs
    stay and do not count."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    corrected = np.full(len(p), math.nan)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)).clip(max=1)
    return corrected


def _pairs(scores: pd.DataFrame, baseline: str) -> list[tuple[str, Scores]]:
    """Return (n, 2) per condition: chosen and baseline in the same repeat of one study (another one draws its own
    noise), for conditions with such pairs."""
    both = scores[scores["method"].isin(["chosen", baseline])]
    both = both.assign(study=study_names(both["trial"]))
    wide = both.pivot(index=["condition", "study", "repeat"], columns="method", values="oracle_test_acc")
    wide = wide.reindex(columns=["chosen", baseline]).dropna()
    return [(str(name), own.to_numpy()) for name, own in wide.groupby("condition", observed=True)]
