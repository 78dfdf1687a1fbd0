"""Figure: the objective of every trial in the order of the search."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.selection import roles

TITLE = "History of the search"
_PRUNED = Line2D(
    [], [], linestyle="", marker="v", markersize=5, color=style.LIGHT, markerfacecolor="none", label="pruned"
)
_FAILED = Line2D([], [], linestyle="", marker="x", markersize=5, color=style.GREY, label="failed (on the edge)")
_RUNNING = Line2D(
    [], [], linestyle="", marker="o", markersize=5, color=style.GREY, markerfacecolor="none", label="running"
)
_BEST = Line2D([], [], color=style.CHOSEN.color, linewidth=1.2, drawstyle="steps-post", label="best so far")


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `number`, `trial`, `status`, `role`, `objective`, `best_so_far` (over complete trials,
    baselines too)."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect the objectives in search order. Raises NotApplicable: no trial has an objective yet."""
    frame = trials.trials[["condition", "number", "trial", "status", "objective"]].copy()
    if frame["objective"].isna().all():
        raise NotApplicable("No trial has an objective yet.")
    frame.insert(4, "role", frame["trial"].map(roles(trials)))
    ranked = frame["objective"].where(frame["trial"].isin(trials.complete["trial"]))
    frame["best_so_far"] = ranked.groupby(frame["condition"], observed=True).transform(
        lambda column: pd.Series(np.fmax.accumulate(column.to_numpy(dtype=float)), index=column.index)
    )
    return Info(frame, trials.baselines)


def finding(info: Info) -> str:
    """Count the conditions in which the best objective still rose among the last quarter of the trials."""
    rising = groups = 0
    for _, rows in info.frame.groupby("condition", observed=True):
        best = rows.sort_values("number")["best_so_far"].dropna()
        groups += 1
        rising += bool(len(best) and best.iloc[-1] > best.iloc[int(0.75 * (len(best) - 1))])
    answer = "not yet" if rising else "no condition asks for more"
    return (
        f"The best objective still rose in the last quarter of the trials in {rising} of {groups} conditions: {answer}."
    )


def caption(info: Info) -> str:
    counts = ", ".join(f"{n} {status}" for status, n in info.frame["status"].value_counts().items())
    return (
        "A best-so-far line that still rises at the right edge asks for more trials. One that starts at a baseline "
        "and stays flat says that the search found nothing better on the validation labels. Each panel has its own "
        f"scale: objectives of different conditions do not compare. n = {len(info.frame)} trials ({counts})."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    axes = style.panels(figure, list(groups))
    for name, ax in axes.items():
        _draw_condition(ax, groups[name], marks)
    handles = [style.handle(mark) for mark in (style.CHOSEN, style.SEARCH, *marks.values())]
    style.legend(figure, [*handles, _BEST, _PRUNED, _FAILED, _RUNNING])
    figure.supxlabel("trial number in its condition", fontsize=9.5)
    figure.supylabel("objective: accuracy on given labels (%)", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    ax.step(rows["number"], rows["best_so_far"], where="post", color=style.CHOSEN.color, linewidth=1.2)
    for status, marker, color in (("pruned", "v", style.LIGHT), ("running", "o", style.GREY)):
        part = rows[rows["status"] == status]
        (line,) = ax.plot(part["number"], part["objective"], marker, ms=5, mec=color, mfc="none")
        hover.name(line, part["trial"])
    failed = rows.loc[rows["status"] == "failed", "number"]
    ax.plot(failed, [0.02] * len(failed), "x", color=style.GREY, ms=5, transform=ax.get_xaxis_transform())
    for role, part in rows[rows["status"] == "complete"].groupby("role", sort=False):
        mark = style.CHOSEN if role == "chosen" else marks.get(str(role), style.SEARCH)
        (line,) = ax.plot(
            part["number"], part["objective"], mark.marker, color=mark.color, ms=style.size(mark), mec="white", mew=0.5
        )
        hover.name(line, part["trial"])
    style.percent(ax.yaxis)
