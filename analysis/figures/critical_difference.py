"""Figure: mean ranks of the methods over the conditions, and which of them the data cannot distinguish."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from scipy import stats

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.comparison import confirmed_scores, in_shared_conditions
from analysis.tables.study_tables import method_table

TITLE = "Ranks of the methods"
MIN_METHODS = 3
MIN_CONDITIONS = 3
"""Minimum number of conditions: with two, even first against last is within the critical difference for any methods."""
ALPHA = 0.05
_ROW_INCHES = 0.3


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `method`, `oracle_test_acc` (mean over trainings), `n` (trainings), `rank` (1: the best)."""
    ranks: "pd.Series[float]"
    """Mean rank of each method (index), the best first."""
    critical_difference: float
    """Critical difference (Nemenyi, alpha .05): mean ranks at least this far apart differ."""
    p_value: float
    """P-value of Friedman's test that all methods are equal."""
    groups: tuple[tuple[float, float], ...]
    """Mean ranks of the first and the last method of each maximal group within the critical difference."""
    confirmed: bool
    """Whether the scores are from the confirmations, or from the search with one training per method."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Rank the methods after Demsar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 7),
    with conditions for data sets; only conditions that have every method count.

    Raises NotApplicable: fewer than three methods, or three conditions.
    """
    # If the robust setting is the chosen one, the same trainings would share a rank and count twice.
    confirmed = _ranked(confirmed_scores(trials).query("method != 'robust'"))
    # The best in hindsight is not a method: it is chosen on the test set.
    found = confirmed if _enough(confirmed) else _ranked(method_table(trials).query("method != 'hindsight'"))
    if not _enough(found):
        raise NotApplicable(
            f"Ranks need {MIN_METHODS} methods with a test accuracy in the same {MIN_CONDITIONS} conditions; methods: "
            f"{found['method'].nunique()}, conditions that have all of them: {found['condition'].nunique()}."
        )
    wide = found.pivot(index="condition", columns="method", values="oracle_test_acc")
    ranks = found.groupby("method")["rank"].mean().sort_values(kind="stable")
    critical = critical_difference(len(ranks), len(wide))
    # Friedman's test gives 0/0 if all methods are equal everywhere.
    p_value = stats.friedmanchisquare(*wide.to_numpy().T).pvalue if np.ptp(ranks) > 0 else 1.0
    groups = tuple(_groups(ranks.to_numpy(), critical))
    return Info(found, ranks, critical, float(p_value), groups, found is confirmed, trials.baselines)


def critical_difference(methods: int, conditions: int) -> float:
    """Nemenyi's critical difference of mean ranks: q sqrt(k(k + 1)/(6N)), q: studentised range quantile / sqrt(2)."""
    q = stats.studentized_range.ppf(1 - ALPHA, methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * conditions)))


def finding(info: Info) -> str:
    """Name the method that ranks first, and say whether any method stands out."""
    first, rank = info.ranks.index[0], info.ranks.iloc[0]
    verdict = "shows no difference between methods" if info.p_value >= ALPHA else "says that methods differ"
    return f"{first} ranks first, {rank:.1f} on average; Friedman's test {verdict} (p = {info.p_value:.2g})."


def caption(info: Info) -> str:
    conditions, trainings = info.frame["condition"].nunique(), int(info.frame["n"].sum())
    source = (
        "Scores are means over the complete trainings that confirm the search. A robust setting has no rank: where it "
        "is the chosen one, both are the same trainings."
        if info.confirmed
        else "Too little is confirmed yet, so the scores are the search's own, one training a method: luck of one seed "
        "is in every rank."
    )
    verdict = (
        "so read no difference into it, whatever the bars leave apart"
        if info.p_value >= ALPHA
        else "so at least one method stands out"
    )
    return (
        "Mean rank by test accuracy (1: the best in every condition), from left to right. A bar joins methods whose "
        f"mean ranks lie within the critical difference of {info.critical_difference:.2f} (Nemenyi, 5%): the data do "
        f"not tell them apart. Friedman's test of all being equal gives p = {info.p_value:.2g} (rough with few "
        f"conditions), {verdict}. {source} Ranks say nothing of how far ahead, and conditions of one data set are not "
        f"an independent sample of problems. n = {conditions} conditions, {trainings} trainings."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = {**style.marks(info.baselines), "chosen": style.CHOSEN}
    methods, bars = len(info.ranks), len(info.groups)
    first = 0.8 + 0.45 * bars
    bottom = first + (methods + 1) // 2
    figure.set_size_inches(style.WIDTH, 0.3 + _ROW_INCHES * (bottom + 2.7))
    ax = figure.subplots()
    ax.set(xlim=(0.8, methods + 0.2), ylim=(bottom - 0.3, -2.7), xlabel="mean rank (1: the best)")
    for index, (low, high) in enumerate(info.groups):
        ax.hlines(0.6 + 0.45 * index, low - 0.03, high + 0.03, color="black", linewidth=4)
    _draw_methods(ax, info.ranks, marks, first)
    ax.plot([1, 1 + info.critical_difference], [-1.6, -1.6], "|-", color=style.GREY)
    ax.text(
        1 + info.critical_difference / 2,
        -1.7,
        f"critical difference {info.critical_difference:.2f}",
        ha="center",
        va="bottom",
    )
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.xaxis.set_major_locator(MultipleLocator(1))
    ax.grid(visible=False)
    ax.yaxis.set_visible(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.spines["top"].set_visible(True)
    ax.spines["top"].set_position(("data", 0))


def _draw_methods(ax: Axes, ranks: "pd.Series[float]", marks: dict[str, style.Mark], first: float) -> None:
    """Draw the methods, the better half labelled on the left from above, the others on the right: no lines cross."""
    left, half = ax.get_xlim(), (len(ranks) + 1) // 2
    for index, (method, rank) in enumerate(ranks.items()):
        mark, better = marks[str(method)], index < half
        row = first + (index if better else len(ranks) - 1 - index)
        edge = left[0] if better else left[1]
        ax.plot([rank, rank, edge], [0, row, row], color=mark.color, linewidth=1.3)
        ax.plot(rank, 0, mark.marker, color=mark.color, ms=style.size(mark) + 1, mec="white", mew=0.5, clip_on=False)
        text = f"{mark.label} ({rank:.2f}) " if better else f" {mark.label} ({rank:.2f})"
        ax.text(edge, row, text, ha="right" if better else "left", va="center")


def _ranked(scores: pd.DataFrame) -> pd.DataFrame:
    rows = in_shared_conditions(scores[scores["oracle_test_acc"].notna()])
    groups = rows.groupby(["condition", "method"], observed=True)["oracle_test_acc"]
    found = groups.agg(oracle_test_acc="mean", n="size").reset_index()
    by_condition = found.groupby("condition", observed=True)["oracle_test_acc"]
    return found.assign(rank=by_condition.rank(ascending=False))


def _enough(found: pd.DataFrame) -> bool:
    return found["method"].nunique() >= MIN_METHODS and found["condition"].nunique() >= MIN_CONDITIONS


def _groups(ranks: "np.ndarray[tuple[int], np.dtype[np.float64]]", critical: float) -> list[tuple[float, float]]:
    """Return the maximal groups within the critical difference; `ranks` ascend."""
    found: list[tuple[float, float]] = []
    for low in ranks:
        high = ranks[ranks < low + critical].max()
        if high > low and (not found or high > found[-1][1]):
            found.append((float(low), float(high)))
    return found
