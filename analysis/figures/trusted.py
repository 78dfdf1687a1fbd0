"""Figure: what trusted labels are worth in doubtful ones, from studies that differ in how many labels they have. Unlike
the figures of the page it takes several studies, whose trials must not be ranked together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from sklearn.isotonic import IsotonicRegression

from analysis.figures import style
from analysis.frames.join import require_alike
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.intervals import interval
from analysis.tables.selection import chosen, confirmed_trainings
from codim.config.auto import RULES

TITLE = "What trusted labels are worth"
VARIED = ("data/subset", "data/trusted", "data/trusted_per_class")
"""Settings in which the studies may differ."""
_MARKERS = "osD^vP*X"


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """One row per condition and study: `condition`, `study`, `trusted`, `doubtful` (numbers of labels in training and
    validation part), `oracle_test_acc` (mean over `n` trainings of the setting that the study chose), `low`, `high`
    (its 95% interval; NaN for fewer than three), `worth` (number of further doubtful labels that a trusted one is
    worth, NaN if unknown), `worth_low`, `worth_high` (by the ends of the interval), `at_least` (bool: the accuracy is
    above that of all studies without trusted labels, so the worth is a lower bound)."""


def compute(studies: Sequence[Trials]) -> Info:
    """Compare accuracy on true labels after trusted labels with the curve that studies without them trace over the
    number of labels: rising (isotonic regression, weighted by the trainings), linear in the logarithm in between.

    Args:
        studies: of the same space and settings but for VARIED, and for what follows from the number of images where
            it is `auto`. The trainings that confirm the chosen setting count; without any, the chosen trial.

    Raises:
        ValueError: two differ in more than that.
        NotApplicable: a study does not say how many labels it has, no condition has two numbers of doubtful labels
            without trusted ones and a study with trusted ones.
    """
    require_alike(studies, (*VARIED, *RULES))
    rows = [_row(study, condition) for condition in studies[0].conditions for study in studies]
    found = pd.DataFrame([row for row in rows if row], columns=["condition", "study", "trusted", "doubtful", "values"])
    parts = [_with_worth(own) for _, own in found.groupby("condition", sort=False)]
    known = [part for part in parts if part["worth"].notna().any()]
    if not known:
        raise NotApplicable(
            "No condition has finished studies of two numbers of labels without trusted ones, and one with some."
        )
    return Info(pd.concat(known, ignore_index=True))


def _row(study: Trials, condition: str) -> tuple[str, str, int, int, list[float]] | None:
    """Return condition, study, numbers of trusted and doubtful labels, and accuracies; None if there are none yet."""
    counts = study.environment
    images, trusted = counts.get("training_images", 0) + counts.get("validation_images", 0), counts.get("trusted", 0)
    if not images:
        raise NotApplicable(f"{study.root} does not say how many labels it has.")
    best = chosen(study)
    if condition not in best.index:
        return None
    frame = confirmed_trainings(study)
    again = frame[(frame["condition"] == condition) & (frame["setting"] == best.loc[condition, "trial"])]
    values = again["oracle_test_acc"] if len(again) else best.loc[[condition], "oracle_test_acc"].dropna()
    return (condition, study.name, trusted, images - trusted, list(values)) if len(values) else None


def _with_worth(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the statistics to the studies of one condition."""
    known = [interval(values) for values in rows["values"]]
    rows = rows.drop(columns="values").assign(
        oracle_test_acc=[own.mean for own in known],
        low=[own.low for own in known],
        high=[own.high for own in known],
        n=[own.n for own in known],
    )
    without = rows[rows["trusted"] == 0].sort_values("doubtful")
    x, y = np.log(without["doubtful"].to_numpy(dtype=float)), without["oracle_test_acc"].to_numpy(dtype=float)
    told = rows["trusted"] > 0
    nothing = rows.assign(worth=math.nan, worth_low=math.nan, worth_high=math.nan, at_least=False)
    if len(set(x)) < 2 or not told.any():
        return nothing
    rising = IsotonicRegression().fit(x, y, without["n"]).predict(x)
    levels, first = np.unique(rising, return_index=True)

    def worth(accuracies: "pd.Series[float]") -> "pd.Series[float]":
        """NaN below the curve, and for NaN."""
        needed = pd.Series(np.exp(np.interp(accuracies, levels, x[first], left=math.nan)), rows.index)
        return ((needed - rows["doubtful"]) / rows["trusted"]).where(told & accuracies.notna())

    above = {end: rows[end] > levels[-1] for end in ("oracle_test_acc", "high")}
    return nothing.assign(
        worth=worth(rows["oracle_test_acc"]),
        worth_low=worth(rows["low"]),
        worth_high=worth(rows["high"]).mask(told & above["high"], math.inf),
        at_least=told & above["oracle_test_acc"],
    )


def finding(info: Info) -> str:
    """Give the range of the worths."""
    known = info.frame.dropna(subset="worth")
    more = int(known["at_least"].sum())
    beyond = f", in {more} of {len(known)} cases at least that" if more else ""
    return f"A trusted label is worth {style.spanned(known['worth'], '{:.2g}')} further doubtful ones{beyond}."


def caption(info: Info) -> str:
    few, many = info.frame["n"].min(), info.frame["n"].max()
    return (
        "Accuracy on true test labels of the setting that each study chose, by its number of doubtful labels; lines "
        "join studies with as many trusted ones, bars are 95% intervals (Student's t, from three trainings). The "
        "number beside a point: further doubtful labels that would bring the studies without trusted ones as far, for "
        "each trusted label. 'at least': it is above all of them. The table has the number's interval, which counts "
        "the error of the point, not that of the line it is compared with. "
        f"n = {few if few == many else f'{few} to {many}'} trainings of each point."
    )


def draw(info: Info, figure: Figure) -> None:
    counts = sorted(set(info.frame["trusted"]))
    looks = {
        count: Line2D([], [], color=f"C{i}", marker=_MARKERS[i % len(_MARKERS)], label=f"{count:,} trusted")
        for i, count in enumerate(counts)
    }
    groups = {str(name): group for name, group in info.frame.groupby("condition", sort=False)}
    for name, ax in style.panels(figure, list(groups), height=3).items():
        for count, rows in groups[name].sort_values("doubtful").groupby("trusted"):
            _draw_line(ax, rows, looks[int(str(count))])
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xticks(sorted(groups[name].loc[groups[name]["trusted"] == 0, "doubtful"]))
        ax.margins(x=0.15, y=0.15)
        style.percent(ax.yaxis)
    style.legend(figure, list(looks.values()))
    figure.supxlabel("doubtful labels", fontsize=9.5)
    figure.supylabel("test accuracy (%)", fontsize=9.5)


def _draw_line(ax: Axes, rows: pd.DataFrame, look: Line2D) -> None:
    x, y = rows["doubtful"], rows["oracle_test_acc"]
    ax.plot(x, y, color=look.get_color(), marker=look.get_marker())
    ax.vlines(x, rows["low"], rows["high"], color=look.get_color(), linewidth=1)
    for row in rows.dropna(subset="worth").itertuples():
        text = f"at least {row.worth:.2g}" if row.at_least else f"{row.worth:.2g}"
        ax.annotate(text, (row.doubtful, row.oracle_test_acc), (5, 5), textcoords="offset points", fontsize=8)
