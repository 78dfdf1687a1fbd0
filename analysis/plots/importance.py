"""Importance of each setting, per condition, beside what chance gives."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.importance import importance_table
from analysis.load import NotApplicable, Trials
from analysis.plots import style

TITLE = "Which settings matter"


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """`condition` and the columns of `analysis.importance.importance_table`."""
    missing: tuple[str, ...]
    """A sentence for each condition that has too few trials."""


def compute(trials: Trials) -> Info:
    """NotApplicable: no condition has enough trials; the text says how many each has."""
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


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", observed=True)["n"].first()
    counts = ", ".join(f"{condition}: {count}" for condition, count in n.items())
    return " ".join(
        [
            "How much each setting decides whether a trial gets among the best (PED-ANOVA; bars of a panel sum to "
            "100%). A bar that ends left of its black tick is no longer than shuffled objectives make it in 19 of "
            "20 cases: read nothing into it. A 0 beside a range is left out here; the table of switches has it. "
            f"Pruned trials count as not among the best. n = trials used, {counts}.",
            *info.missing,
        ]
    )


def draw(info: Info, figure: Figure) -> None:
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    order = info.frame.groupby("setting")["importance"].mean().sort_values().index
    axes = style.panels(figure, list(groups), height=0.9 + 0.28 * len(order), columns=min(len(groups), 2))
    for name, ax in axes.items():
        rows = groups[name].set_index("setting").reindex(order)
        ax.barh(range(len(order)), rows["importance"], color="#56B4E9", height=0.62)
        ax.plot(rows["chance"], range(len(order)), "|", color="black", markersize=11, markeredgewidth=1.8)
        ax.set_yticks(range(len(order)), list(order))
        ax.set_title(f"{name} (n = {int(rows['n'].max())})")
        ax.grid(visible=False, axis="y")
        ax.set_xlim(0, 1)
        style.percent(ax.xaxis)
    chance = Line2D([], [], linestyle="", marker="|", color="black", markersize=11, markeredgewidth=1.8)
    chance.set_label("95th percentile by chance (shuffled objectives)")
    style.legend(figure, [chance])
    figure.supxlabel("share of importance (%)", fontsize=9.5)
