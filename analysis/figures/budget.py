"""Figure: the cost of each condition, and the savings from pruning."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.study_tables import own_samples, undrawn

TITLE = "Budget"


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `status`, `trials`, `samples` (drawn, without shared stages), `seconds`, `saved` (samples of
    the budget that pruned trials did not draw; 0 for other states)."""


def compute(trials: Trials) -> Info:
    """Sum trials, samples and time by condition and status. Raises NotApplicable: no trial has drawn a sample yet."""
    frame = trials.trials
    if not frame["samples"].sum():
        raise NotApplicable("No trial has drawn a sample yet.")
    own = frame.assign(samples=own_samples(frame), saved=undrawn(frame))
    groups = own.groupby(["condition", "status"], observed=True)
    table = groups.agg(
        trials=("trial", "size"), samples=("samples", "sum"), seconds=("seconds", "sum"), saved=("saved", "sum")
    )
    return Info(table.reset_index())


def finding(info: Info) -> str:
    """Say how many samples pruning saved."""
    saved, drawn = info.frame["saved"].sum(), info.frame["samples"].sum()
    share = saved / (saved + drawn) if saved + drawn else 0.0
    return f"The trials drew {drawn:,.0f} samples; pruning saved {100 * share:.0f}% of what they would have drawn."


def caption(info: Info) -> str:
    totals = info.frame[["trials", "samples", "seconds"]].sum()
    return (
        "Left: samples that the trials drew themselves, and (hatched) those that pruned trials did not draw. Those of "
        "shared stages, computed once for several trials, are left out. Right: wall time in training, all trials of a "
        "condition added up, without queueing. A condition with little hatching either has only good trials or curves "
        f"that cross late. n = {int(totals['trials'])} trials, {totals['samples']:,.0f} samples, "
        f"{totals['seconds'] / 3600:.2g} h."
    )


def draw(info: Info, figure: Figure) -> None:
    names = list(dict.fromkeys(info.frame["condition"]))
    figure.set_size_inches(style.WIDTH, 1.3 + 0.42 * len(names))
    left, right = figure.subplots(1, 2, sharey=True)
    wide = {
        column: info.frame.pivot(index="condition", columns="status", values=column)
        for column in ("samples", "seconds")
    }
    saved = info.frame.groupby("condition", observed=True)["saved"].sum()
    end = _stack(left, wide["samples"].reindex(names) / 1000)
    left.barh(
        range(len(names)), saved.reindex(names) / 1000, left=end, height=0.6, fill=False, hatch="///", ec=style.LIGHT
    )
    unit, seconds = ("hours", 3600) if info.frame["seconds"].sum() > 2 * 3600 else ("minutes", 60)
    _stack(right, wide["seconds"].reindex(names) / seconds)
    left.set_xlabel("samples (thousands)")
    right.set_xlabel(f"wall time in training ({unit})")
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    for ax in (left, right):
        ax.grid(visible=False, axis="y")
    shown = set(info.frame["status"])
    patches = [Patch(color=color, label=status) for status, color in style.STATUS.items() if status in shown]
    not_drawn = Patch(fill=False, hatch="///", edgecolor=style.LIGHT, label="saved by pruning")
    style.legend(figure, [*patches, not_drawn])


def _stack(ax: Axes, frame: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    end = np.zeros(len(frame))
    for status, color in style.STATUS.items():
        if status in frame:
            part = frame[status].fillna(0).to_numpy(dtype=float)
            ax.barh(range(len(frame)), part, left=end, height=0.6, color=color)
            end = end + part
    return end
