"""Figure: validation accuracy against the samples drawn, for every trial."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import curves, hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.selection import roles

TITLE = "Learning curves"
POINTS = 80
"""Maximum number of points of one curve; a panel shows no more, and long studies would bloat the page and its table."""
_RUNG = Line2D([], [], color=style.LIGHT, linestyle=":", linewidth=1.2, label="rung: pruning may end a trial")


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `trial`, `role`, `status`, `samples_thousands`, `val_acc`, `oracle_test_acc`: epochs with a
    validation accuracy, at most POINTS per trial, including its first and its last."""
    baselines: tuple[str, ...]
    rungs: dict[str, tuple[int, ...]]
    """Rungs of each condition, in samples; empty if the study did not record them or pruned nothing."""
    epochs: int
    """Number of epochs with a validation accuracy, before curves were thinned."""


def compute(trials: Trials) -> Info:
    """Collect the learning curves. Raises NotApplicable: no epoch has a validation accuracy yet."""
    measured = trials.epochs[trials.epochs["val_acc"].notna()]
    if measured.empty:
        raise NotApplicable("No epoch has a validation accuracy yet.")
    epochs = curves.thinned(measured, POINTS)
    facts = trials.trials.set_index("trial")
    frame = pd.DataFrame(
        {
            "condition": epochs["condition"],
            "trial": epochs["trial"],
            "role": epochs["trial"].map(roles(trials)),
            "status": epochs["trial"].map(facts["status"]),
            "samples_thousands": epochs["samples"] / 1000,
            "val_acc": epochs["val_acc"],
            "oracle_test_acc": epochs["oracle_test_acc"],
        }
    )
    known = trials.environment.get("rungs", {})
    rungs = {condition: tuple(known.get(condition, ())) for condition in trials.conditions}
    return Info(frame.reset_index(drop=True), trials.baselines, rungs, len(measured))


def finding(info: Info) -> str:
    """Count the chosen settings whose test accuracy fell from its peak."""
    own = info.frame[info.frame["role"] == "chosen"].dropna(subset="oracle_test_acc")
    curves_of = own.groupby("condition", observed=True)["oracle_test_acc"]
    fell = curves_of.max() - curves_of.last()
    if fell.empty:
        return f"Curves of {info.frame['trial'].nunique()} trials; no test accuracy of a chosen setting is known."
    return f"The chosen settings end at most {100 * fell.max():.1f} points below their best epoch on test images."


def caption(info: Info) -> str:
    return (
        "Solid lines are accuracy on the given, partly wrong validation labels, the only thing that the search saw; "
        "its ceiling sinks with the noise. The dashed line is the chosen setting's test accuracy on true labels. A "
        "solid line that rises while the dashed one falls means that the network memorises wrong labels. Triangles "
        "mark where pruning ended a trial; curves that still rose steeply there ask for a later first rung. n = "
        f"{info.frame['trial'].nunique()} trials, {info.epochs} epochs, of each trial at most {POINTS} drawn."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    axes = style.panels(figure, list(groups))
    for name, ax in axes.items():
        _draw_condition(ax, groups[name], marks)
        for rung in info.rungs[name]:
            ax.axvline(rung / 1000, color=_RUNG.get_color(), linestyle=":", linewidth=1.2, zorder=1)
    dashed = Line2D([], [], color=style.CHOSEN.color, linestyle=(0, (4, 2)), label="chosen, test (oracle)")
    ended = Line2D([], [], color=style.GREY, linestyle="", marker="v", markersize=4.5, label="pruned here")
    lines = [style.handle(mark, line=True) for mark in (style.CHOSEN, *marks.values(), style.SEARCH)]
    known = [_RUNG] if any(info.rungs[name] for name in groups) else []
    style.legend(figure, [lines[0], dashed, *lines[1:], ended, *known])
    figure.supxlabel("samples drawn (thousands)", fontsize=9.5)
    figure.supylabel("accuracy (%)", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    search = rows[rows["role"] == "search"]
    begins = np.flatnonzero(~search["trial"].duplicated())
    cloud = np.split(search[["samples_thousands", "val_acc"]].to_numpy(), begins[1:])
    # Hundreds of grey curves as one image keep the page small; all that is read by eye stays sharp.
    ax.add_collection(LineCollection(cloud, colors=style.LIGHT, linewidths=0.7, rasterized=True))
    for (role, trial), part in rows[rows["role"] != "search"].groupby(["role", "trial"], sort=False):
        mark = style.CHOSEN if role == "chosen" else marks[str(role)]
        width = 2.2 if role == "chosen" else 1.5
        (line,) = ax.plot(part["samples_thousands"], part["val_acc"], color=mark.color, linewidth=width)
        hover.name(line, [str(trial)])
        if role == "chosen":
            test = part["oracle_test_acc"]
            ax.plot(part["samples_thousands"], test, color=mark.color, linewidth=1.5, linestyle=(0, (4, 2)))
    ends = rows[rows["status"] == "pruned"].drop_duplicates("trial", keep="last")
    ax.plot(ends["samples_thousands"], ends["val_acc"], "v", color=style.GREY, markersize=4.5)
    ax.autoscale_view()
    ax.set_xlim(left=0)
    style.percent(ax.yaxis)
