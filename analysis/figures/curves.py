"""Shared parts of the figures that show the chosen trial and the baselines of each condition epoch by epoch."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures import hover, style
from analysis.frames.load import Trials
from analysis.tables.selection import roles

ROW_INCHES = 1.35
POINTS = 60
"""Maximum number of points of one curve; a panel is too narrow to show more."""


def compared_epochs(trials: Trials, measures: Sequence[str]) -> pd.DataFrame:
    """Return the epochs of the chosen trials and of the baselines in which the first measure has a value.

    Columns: `condition`, `trial`, `role` (chosen or a baseline), `phase`, `samples_thousands`, and the measures.
    """
    epochs = trials.epochs
    role = epochs["trial"].map(roles(trials))
    epochs = epochs[(role != "search") & epochs[measures[0]].notna()]
    frame = epochs[["condition", "trial"]].copy()
    frame["role"] = role[epochs.index]
    frame["phase"] = epochs["phase"]
    frame["samples_thousands"] = epochs["samples"] / 1000
    return frame.join(epochs[list(measures)]).reset_index(drop=True)


def grid(
    figure: Figure, frame: pd.DataFrame, measures: Mapping[str, str], baselines: Sequence[str]
) -> dict[tuple[str, str], Axes]:
    """Draw one row per condition, one column per measure (name -> title), one line per trial of `compared_epochs`.
    Returns the axes by (condition, measure)."""
    marks = style.marks(baselines)
    groups = {str(name): group for name, group in frame.groupby("condition", observed=True)}
    figure.set_size_inches(style.WIDTH, ROW_INCHES * len(groups) + 1.2)
    axes = figure.subplots(len(groups), len(measures), sharex=True, sharey="col", squeeze=False)
    found = {}
    for row, (name, rows) in zip(axes, groups.items(), strict=True):
        row[0].set_ylabel(name)
        for ax, measure in zip(row, measures, strict=True):
            lines(ax, rows, measure, marks)
            found[name, measure] = ax
    for ax, title in zip(axes[0], measures.values(), strict=True):
        ax.set_title(title)
    legend(figure, frame, marks)
    axes[0][0].xaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel("samples drawn (thousands)", fontsize=9.5)
    return found


def lines(ax: Axes, rows: pd.DataFrame, measure: str, marks: Mapping[str, style.Mark]) -> None:
    """Draw one measure of the trials of one condition."""
    for (role, trial), part in rows.groupby(["role", "trial"], sort=False):
        mark = style.CHOSEN if role == "chosen" else marks[str(role)]
        shown = thinned(part)
        width = 2.2 if role == "chosen" else 1.5
        (line,) = ax.plot(shown["samples_thousands"], shown[measure], color=mark.color, linewidth=width)
        hover.name(line, [str(trial)])


def thinned(rows: pd.DataFrame, points: int = POINTS) -> pd.DataFrame:
    """Thin each `trial` to at most `points` rows, evenly spaced, keeping the first and the last."""
    trial = rows.groupby("trial", sort=False)["trial"]
    place, last = trial.cumcount(), trial.transform("size").sub(1).clip(lower=points - 1)
    return rows[place * (points - 1) // last != (place - 1) * (points - 1) // last]


def legend(figure: Figure, frame: pd.DataFrame, marks: Mapping[str, style.Mark], others: Sequence[Artist] = ()) -> None:
    """Draw a legend of the roles that have a line, and of `others`."""
    shown = set(frame["role"])
    used = [mark for name, mark in {"chosen": style.CHOSEN, **marks}.items() if name in shown]
    style.legend(figure, [*(style.handle(mark, line=True) for mark in used), *others])
