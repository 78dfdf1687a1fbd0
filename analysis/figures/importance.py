"""Figure: importance of each setting per condition by two measures, with chance level and uncertainty."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics import fanova
from analysis.statistics.importance import RESAMPLES, SHUFFLES, importance_table

TITLE = "Which settings matter"
HEIGHT = 0.38
"""Height of a bar, with settings 1 apart."""
_PED_ANOVA: dict[str, Any] = {"facecolor": "#56B4E9"}
_FANOVA: dict[str, Any] = {"facecolor": "white", "edgecolor": "#0072B2", "linewidth": 1.0}
_CHANCE: dict[str, Any] = {"linestyle": "", "marker": "|", "color": "black", "markersize": 9, "markeredgewidth": 1.8}


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Column `condition` and those of `analysis.statistics.importance.importance_table`."""
    missing: tuple[str, ...]
    """One sentence for each condition that has too few trials."""


def compute(trials: Trials) -> Info:
    """Compute the importances. Raises NotApplicable, with the counts: no condition has enough trials."""
    tables, missing = [], []
    for condition in trials.conditions:
        try:
            table = importance_table(trials, condition)
        except NotApplicable as reason:
            missing.append(str(reason))
        else:
            table.insert(0, "condition", condition)
            tables.append(table)
    if not tables:
        raise NotApplicable(" ".join(dict.fromkeys(missing)) or "There is no condition yet.")
    frame = pd.concat(tables, ignore_index=True)
    frame["condition"] = frame["condition"].astype(trials.trials["condition"].dtype)
    return Info(frame, tuple(missing))


def finding(info: Info) -> str:
    """Name the setting that is the most important one in most conditions."""
    first = info.frame.loc[info.frame.groupby("condition", observed=True)["importance"].idxmax()]
    setting = str(first["setting"].mode().iloc[0])
    own = first[first["setting"] == setting]
    return (
        f"{setting} decides most in {len(own)} of {len(first)} conditions, with up to "
        f"{100 * own['importance'].max():.0f}% of the importance."
    )


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", observed=True)[["n", "fanova_n"]].first()
    counts = ", ".join(f"{condition}: {row['n']} ({row['fanova_n']})" for condition, row in n.iterrows())
    return " ".join(
        [
            "Filled: how much each setting decides whether a trial gets among the best (PED-ANOVA). Hollow: how much "
            "of the objective's variance over the whole space it accounts for on its own (fANOVA). Bars of a kind sum "
            "to 100% in a panel. A setting that only fANOVA finds keeps a trial from being bad, but does not tell the "
            f"good ones apart. Black ticks: the longest filled bar of any setting in {SHUFFLES} shuffles of the "
            "objectives over the trials. A filled bar that ends left of its tick may be luck: read nothing into it. "
            "Where no setting matters, one or more bars pass it in one panel of 20. Whiskers are one standard "
            f"deviation over {RESAMPLES} resamples of the trials; where they overlap, the order of two settings is "
            "open. A 0 beside a range is left out here, the table of switches has it; fANOVA leaves out the whole "
            "trial, and a setting that only some trials have. Pruned trials count as just behind the worst complete "
            f"one. n = trials used (of these by fANOVA, {fanova.MAX_TRIALS} at most), {counts}.",
            *info.missing,
        ]
    )


def draw(info: Info, figure: Figure) -> None:
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    order = info.frame.groupby("setting")["importance"].mean().sort_values().index
    axes = style.panels(figure, list(groups), height=0.9 + 0.36 * len(order), columns=min(len(groups), 2))
    for name, ax in axes.items():
        rows = groups[name].set_index("setting").reindex(order)
        place = np.arange(len(order), dtype=np.float64)
        _bars(ax, place + HEIGHT / 2, rows["importance"], rows["spread"], _PED_ANOVA)
        _bars(ax, place - HEIGHT / 2, rows["fanova"], rows["fanova_spread"], _FANOVA)
        ax.plot(rows["chance"], place + HEIGHT / 2, **_CHANCE)
        ax.set_yticks(place, list(order))
        ax.set_title(f"{name} (n = {int(rows['n'].max())})")
        ax.grid(visible=False, axis="y")
        ax.set_xlim(0, 1)
        style.percent(ax.xaxis)
    chance = Line2D([], [], label="longest by chance", **_CHANCE)
    whisker = Line2D([], [], color=style.GREY, linewidth=1.5, label="standard deviation over resamples")
    bars = [Patch(label="among the best (PED-ANOVA)", **_PED_ANOVA), Patch(label="variance (fANOVA)", **_FANOVA)]
    style.legend(figure, [*bars, chance, whisker])
    figure.supxlabel("share of importance (%)", fontsize=9.5)


def _bars(
    ax: Axes,
    place: npt.NDArray[np.float64],
    values: "pd.Series[float]",
    spread: "pd.Series[float]",
    look: dict[str, Any],
) -> None:
    ax.barh(place, values, height=HEIGHT, **look)
    ax.hlines(place, (values - spread).clip(lower=0), values + spread, color=style.GREY, linewidth=1.5)
