"""Figure: cost of a trial against its objective, per condition."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.selection import roles

TITLE = "Objective against cost"
_FRONT = Line2D([], [], color="black", linewidth=1, label="front: none is faster and better")


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Complete trials, baselines too: `condition`, `trial`, `role`, `seconds`, `samples`, `objective`, `front`
    (bool)."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Mark the Pareto front of each condition: trials than which no other complete one is at least as fast and as good,
    and better in one of both. Pruned trials are excluded: meant to end there, they would have had a shorter schedule.

    Raises NotApplicable: no complete trial has recorded its time in training.
    """
    frame = trials.complete[trials.complete["seconds"] > 0]
    if frame.empty:
        raise NotApplicable("No complete trial has recorded its time in training.")
    table = frame[["condition", "trial", "seconds", "samples", "objective"]].reset_index(drop=True)
    table.insert(2, "role", table["trial"].map(roles(trials)))
    fronts = [_front(rows) for _, rows in table.groupby("condition", observed=True)]
    return Info(table.assign(front=pd.concat(fronts)), trials.baselines)


def finding(info: Info) -> str:
    """Say how much faster the fastest trial of a front is than its best one."""
    front = info.frame[info.frame["front"]].groupby("condition", observed=True)
    ratio = front["seconds"].max() / front["seconds"].min()
    gain = front["objective"].max() - front["objective"].min()
    return (
        f"The best trial of a front takes up to {ratio.max():.1f} times as long as its fastest, for up to "
        f"{100 * gain.max():.1f} points of the objective."
    )


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", observed=True)["front"].agg(["sum", "size"])
    counts = ", ".join(f"{condition}: {int(row['sum'])} of {int(row['size'])}" for condition, row in n.iterrows())
    return (
        "Cost is a trial's wall time in training: complete trials draw about the same number of samples, but some "
        "methods and settings need longer for each. Where the front is flat, a setting left of the chosen one is as "
        "good for less. Whether a step up is more than luck, the table of what the objective can tell apart says. "
        "Times of trials that shared a machine with others differ by more than their settings. n = trials on the "
        f"front of complete ones, {counts}."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    unit, seconds = ("hours", 3600) if info.frame["seconds"].max() > 2 * 3600 else ("minutes", 60)
    for name, ax in style.panels(figure, list(groups)).items():
        _draw_condition(ax, groups[name].assign(time=groups[name]["seconds"] / seconds), marks)
    style.legend(figure, [*(style.handle(mark) for mark in (style.CHOSEN, style.SEARCH, *marks.values())), _FRONT])
    figure.supxlabel(f"wall time in training ({unit})", fontsize=9.5)
    figure.supylabel("objective (%)", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    front = rows[rows["front"]].sort_values("time")
    ax.step(front["time"], front["objective"], where="post", color=_FRONT.get_color(), linewidth=1, zorder=3)
    for role, mark in {"search": style.SEARCH, **marks, "chosen": style.CHOSEN}.items():
        part = rows[rows["role"] == role]
        cloud = role == "search"
        (line,) = ax.plot(
            part["time"],
            part["objective"],
            mark.marker,
            color=mark.color,
            ms=5 if cloud else style.size(mark),
            mec="white",
            mew=0.5,
            zorder=2 if cloud else 4,
        )
        hover.name(line, part["trial"])
    # One straggler would compress all others on a linear axis.
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)) if high > 5 * low else MaxNLocator(5))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    style.percent(ax.yaxis)


def _front(rows: pd.DataFrame) -> "pd.Series[bool]":
    cost, gain = rows["seconds"].to_numpy(), rows["objective"].to_numpy()
    beaten = [
        bool(((cost <= c) & (gain >= g) & ((cost < c) | (gain > g))).any()) for c, g in zip(cost, gain, strict=True)
    ]
    return pd.Series([not is_beaten for is_beaten in beaten], index=rows.index)
