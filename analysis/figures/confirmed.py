"""Figure: chosen settings against the baselines, trained again with fresh seeds and fresh noise."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import hover, style
from analysis.frames.join import study_names
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.confirmation import confirmation_table
from analysis.tables.selection import confirmed_trainings

TITLE = "Confirmed"
ROW_INCHES = 0.23
_SEARCHED = {"chosen": style.CHOSEN, "chosen, robust": style.CHOSEN, "robust": style.ROBUST}
_DASHED = (0, (4, 2))
_BESIDE = 0.32
"""Vertical offset of single trainings below their setting's mean, in rows."""


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Table with the columns of `analysis.statistics.confirmation.confirmation_table`."""
    trainings: pd.DataFrame
    """Complete trainings: `condition`, `setting`, `trial`, `oracle_test_acc`."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect the confirmations. Raises NotApplicable: none is complete."""
    frame, trainings = confirmation_table(trials), confirmed_trainings(trials)
    if trainings.empty:
        failed = f"; failed: {frame['failed'].sum()}" if len(frame) else ""
        raise NotApplicable(f"No setting has been trained again to confirm it yet{failed}.")
    frame["condition"] = frame["condition"].astype(trials.trials["condition"].dtype)
    return Info(frame, trainings[["condition", "setting", "trial", "oracle_test_acc"]], trials.baselines)


def finding(info: Info) -> str:
    """Say in how many conditions a searched setting has the highest mean."""
    best = info.frame.loc[
        info.frame.dropna(subset="oracle_test_acc").groupby("condition", observed=True)["oracle_test_acc"].idxmax()
    ]
    searched = int((~best["method"].isin(info.baselines)).sum())
    return (
        f"A setting of the search has the highest confirmed mean in {searched} of {len(best)} conditions, a baseline "
        f"in {len(best) - searched}."
    )


def caption(info: Info) -> str:
    few, many, failed = info.frame["n"].min(), info.frame["n"].max(), info.frame["failed"].sum()
    unsure = info.frame["low"].isna().any()
    alone = " Fewer than three trainings, or equal ones, have no line." if unsure else ""
    lost = (
        f" {failed} of the {info.frame['begun'].sum()} trainings begun failed (counted beside their setting): a mean "
        "of those that are left flatters it."
        if failed
        else ""
    )
    return (
        "Mean accuracy on true test labels with its 95% interval (Student's t); the small dots below are the single "
        "trainings. They are on training and validation images, with seeds and, where the study makes the noise, "
        f"labels that the search never saw.{alone} The settings were chosen before, so a mean does not flatter its "
        "setting; the best of several still does. Where two intervals overlap widely, more seeds are needed to tell "
        "which is better. Settings of a condition share their noise draws, so differences between them are at least "
        f"as sure as the lines look.{lost} n = {few if few == many else f'{few} to {many}'} trainings of each setting, "
        f"{info.frame['n'].sum()} in all."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines) | _SEARCHED
    order = {method: place for place, method in enumerate(marks)}
    rows = info.frame.assign(order=info.frame["method"].map(order)).sort_values("order", kind="stable")
    groups = {str(name): group for name, group in rows.groupby("condition", observed=True)}
    most = max(map(len, groups.values()))
    for name, ax in style.panels(
        figure, list(groups), height=0.7 + ROW_INCHES * most, columns=min(len(groups), 2)
    ).items():
        _draw_condition(ax, groups[name], info.trainings[info.trainings["condition"] == name], marks)
    best = Line2D([], [], color=style.GREY, linestyle=_DASHED, label="best baseline")
    one = Line2D([], [], linestyle="", color=style.GREY, marker=".", markersize=4, label="one training")
    shown = dict.fromkeys(mark for method, mark in marks.items() if method in set(rows["method"]))
    style.legend(figure, [*map(style.handle, shown), one, best])
    figure.supxlabel("test accuracy on true labels (%)", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame, trainings: pd.DataFrame, marks: Mapping[str, style.Mark]) -> None:
    searched = rows["method"].isin(_SEARCHED)
    baselines = rows.loc[~searched, "oracle_test_acc"].dropna()
    if len(baselines):
        ax.axvline(baselines.max(), color=style.GREY, linewidth=1, linestyle=_DASHED)
    for y, (_, row) in enumerate(rows.iterrows()):
        if not row["n"]:  # an unclipped artist at NaN would break the layout
            continue
        mark, mean = marks[row["method"]], row["oracle_test_acc"]
        single = trainings[trainings["setting"] == row["setting"]]
        at = [y + _BESIDE] * len(single)
        (dots,) = ax.plot(single["oracle_test_acc"], at, ".", color=mark.color, ms=4, mew=0, alpha=0.7, clip_on=False)
        hover.name(dots, single["trial"])
        ax.hlines(y, row["low"], row["high"], color=mark.color, linewidth=1.6)
        size = 0.8 * style.size(mark)
        ax.plot(mean, y, mark.marker, color=mark.color, ms=size, mec="white", mew=0.4, clip_on=False)
    # Baselines are identified by their names, searched settings by the trial that had them.
    names = rows["method"].mask(searched, rows["method"] + " " + rows["setting"].str.extract(r"(\d+)$", expand=False))
    studies = [f", {study}" if study else "" for study in study_names(rows["setting"])]
    counts = zip(rows["n"], rows["failed"], strict=True)
    lost = [f" (n = {n}, {failed} failed)" if failed else "" for n, failed in counts]
    ax.set_yticks(range(len(rows)), names + studies + lost)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    drawn = [*rows["low"].dropna(), *rows["high"].dropna(), *trainings["oracle_test_acc"]]
    if drawn:
        margin = max(0.04 * (max(drawn) - min(drawn)), 0.002)
        ax.set_xlim(max(min(drawn) - margin, 0), min(max(drawn) + margin, 1))
    ax.grid(visible=False, axis="y")
    style.percent(ax.xaxis)
