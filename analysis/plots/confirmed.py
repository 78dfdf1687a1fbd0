"""What the search chose against the baselines, trained again with fresh seeds and fresh noise."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.load import NotApplicable, Trials
from analysis.plots import style
from analysis.statistics import confirmation_table

TITLE = "Confirmed"
ROBUST = style.Mark("robust over the conditions", style.CHOSEN.color, "o")
ROW_INCHES = 0.19
_DASHED = (0, (4, 2))


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """The columns of `analysis.statistics.confirmation_table`."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """NotApplicable: no confirmation is complete."""
    frame = confirmation_table(trials)
    if frame.empty:
        raise NotApplicable("No setting has been trained again to confirm it yet.")
    frame["condition"] = frame["condition"].astype(trials.trials["condition"].dtype)
    return Info(frame, trials.baselines)


def caption(info: Info) -> str:
    few, many = info.frame["n"].min(), info.frame["n"].max()
    unsure = info.frame["low"].isna().any()
    alone = " A mark without a line is one training, or several that came out equal." if unsure else ""
    return (
        "Mean accuracy on true test labels with its 95% interval (Student's t), on training and validation images, "
        "with seeds and, where the study makes the noise, labels that the search never saw. The settings were chosen "
        "before, so a mean does not flatter its setting; the best of several still does. Where two intervals overlap "
        "widely, more seeds are needed to tell which is better; settings of a condition share their noise draws, so "
        f"differences between them are at least as sure as the lines look.{alone} n = "
        f"{few if few == many else f'{few} to {many}'} trainings of each setting, {info.frame['n'].sum()} in all."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines) | {"chosen": style.CHOSEN, "robust": ROBUST}
    order = {method: place for place, method in enumerate(marks)}
    rows = info.frame.assign(order=info.frame["method"].map(order)).sort_values("order", kind="stable")
    groups = {str(name): group for name, group in rows.groupby("condition", observed=True)}
    most = max(map(len, groups.values()))
    for name, ax in style.panels(
        figure, list(groups), height=0.7 + ROW_INCHES * most, columns=min(len(groups), 2)
    ).items():
        _draw_condition(ax, groups[name], marks)
    best = Line2D([], [], color=style.GREY, linestyle=_DASHED, label="best baseline")
    shown = set(rows["method"])
    style.legend(figure, [*(style.handle(mark) for method, mark in marks.items() if method in shown), best])
    figure.supxlabel("test accuracy on true labels (%)", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame, marks: Mapping[str, style.Mark]) -> None:
    baselines = rows.loc[~rows["method"].isin(["chosen", "robust"]), "oracle_test_acc"]
    if len(baselines):
        ax.axvline(baselines.max(), color=style.GREY, linewidth=1, linestyle=_DASHED)
    rows = rows.assign(y=range(len(rows)))
    for method, own in rows.groupby("method", sort=False):
        mark = marks[str(method)]
        ax.hlines(own["y"], own["low"], own["high"], color=mark.color, linewidth=1.6)
        size = 0.8 * style.size(mark)
        ax.plot(own["oracle_test_acc"], own["y"], mark.marker, color=mark.color, ms=size, mec="white", mew=0.4)
    searched = rows["method"].isin(["chosen", "robust"])
    # A baseline's name says it all; of the others the trial that had the setting does.
    names = rows["method"].mask(searched, rows["method"] + " " + rows["setting"].str.extract(r"(\d+)$", expand=False))
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    style.percent(ax.xaxis)
