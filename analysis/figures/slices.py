"""Figure: the objective against each searched setting, per condition."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, searched_settings
from analysis.tables.selection import roles
from study.results.rules import FINISHED

TITLE = "Objective against each setting"
ROW_INCHES = 1.75


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `trial`, `status` (complete or pruned), `role`, `objective`, `setting`, `value` (float, or a
    choice)."""
    settings: tuple[Setting, ...]
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect objectives and values. Raises NotApplicable: nothing was searched, or no trial has finished."""
    settings = searched_settings(trials.spec)
    rows = trials.trials[trials.trials["status"].isin(FINISHED) & trials.trials["objective"].notna()]
    if not settings:
        raise NotApplicable("The study file names no searched setting.")
    if rows.empty:
        raise NotApplicable("No trial has finished yet.")
    base = rows[["condition", "trial", "status", "objective"]].copy()
    base.insert(3, "role", base["trial"].map(roles(trials)))
    parts = [base.assign(setting=s.path, value=s.values(rows).astype(object)) for s in settings]
    frame = pd.concat(parts).dropna(subset="value").reset_index(drop=True)
    if frame.empty:
        raise NotApplicable("No finished trial has a value of a searched setting.")
    return Info(frame, settings, trials.baselines)


def finding(info: Info) -> str:
    """Name the setting whose values go along with the objective most, of those with a range."""
    complete, found = info.frame[info.frame["status"] == "complete"], []
    for setting in (own for own in info.settings if not own.axis.choices):
        for condition, rows in complete[complete["setting"] == setting.path].groupby("condition", observed=True):
            if rows["objective"].nunique() > 2:
                place = style.positions(rows["value"].astype(float), setting)
                found.append((setting.path, str(condition), place.corr(rows["objective"], method="spearman")))
    known = [trend for trend in found if not math.isnan(trend[2])]
    if not known:
        return f"No trend can be told from {info.frame['trial'].nunique()} trials."
    path, condition, correlation = max(known, key=lambda trend: abs(trend[2]))
    return f"{path} goes along with the objective most: rank correlation {correlation:+.2f} in {condition}."


def caption(info: Info) -> str:
    return (
        "One row a condition, one column a setting. A cloud without a slope says that the setting hardly matters in "
        "the range searched; a best trial at the edge asks for a wider range. Light triangles are pruned trials "
        "with the value that they had when they ended, below what they might have reached. A 0 beside the range has "
        "its own place, left of the dotted line. Baselines outside the range are not shown; one at the lower edge, "
        "hollow, has an objective below it. n = "
        f"{info.frame['trial'].nunique()} finished trials."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    figure.set_size_inches(style.WIDTH, ROW_INCHES * len(groups) + 1.0)
    grid = figure.subplots(len(groups), len(info.settings), sharex="col", sharey="row", squeeze=False)
    for line, (name, rows) in zip(grid, groups.items(), strict=True):
        line[0].set_ylim(*_limits(rows))
        for ax, setting in zip(line, info.settings, strict=True):
            _draw_slice(ax, setting, rows[rows["setting"] == setting.path], marks)
            ax.label_outer(remove_inner_ticks=True)
        line[0].set_ylabel(name)
        style.percent(line[0].yaxis)
    for ax, setting in zip(grid[-1], info.settings, strict=True):
        ax.set_xlabel(setting.path.replace("/", "/\n"))
    pruned = Line2D([], [], linestyle="", marker="v", markersize=5, color=style.LIGHT, label="pruned")
    style.legend(figure, [*(style.handle(mark) for mark in (style.CHOSEN, style.SEARCH, *marks.values())), pruned])
    figure.supylabel("objective: accuracy on given labels (%)", fontsize=9.5)


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the y limits of the searched trials, which a baseline far below would compress into a line."""
    searched = rows.loc[rows["role"].isin(["search", "chosen"]), "objective"]
    low, high = (rows["objective"] if searched.empty else searched).agg(["min", "max"])
    margin = 0.08 * (high - low) or 0.01
    return low - margin, max(high, rows["objective"].max()) + margin


def _draw_slice(ax: Axes, setting: Setting, rows: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    x = style.positions(rows["value"] if setting.axis.choices else rows["value"].astype(float), setting)
    pruned = rows["status"] == "pruned"
    # Hundreds of grey points as one image keep the page small; without smooth edges it is half as large.
    cloud: dict[str, Any] = {"ms": 3, "mew": 0, "rasterized": True, "antialiased": False}
    y, searched = rows["objective"], (rows["role"] == "search") & ~pruned
    # Points of an image cannot be pointed at: those that can lie over them, and over marks at the lower edge, unseen.
    (over,) = ax.plot(x, y.clip(lower=ax.get_ylim()[0]), "o", ms=5, alpha=hover.UNSEEN, zorder=4)
    hover.name(over, rows["trial"])
    ax.plot(x[pruned], y[pruned], "v", color=style.LIGHT, **cloud | {"ms": 3.5})
    ax.plot(x[searched], y[searched], "o", color=style.SEARCH.color, **cloud)
    for role, mark in {**marks, "chosen": style.CHOSEN}.items():
        here = (rows["role"] == role) & ~pruned
        ax.plot(x[here], y[here], mark.marker, color=mark.color, ms=style.size(mark), mec="white", mew=0.5)
        below = x[here & (y < ax.get_ylim()[0])]
        at_edge: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "clip_on": False, "in_layout": False}
        ax.plot(below, [0] * len(below), mark.marker, mfc="none", mec=mark.color, **at_edge)
    style.setting_axis(ax, "x", setting)
    if setting.axis.zero:
        edge = (style.zero_position(setting) * setting.axis.low) ** 0.5 if setting.axis.log else setting.axis.low
        ax.axvline(edge, color=style.GREY, linestyle=":", linewidth=1)
