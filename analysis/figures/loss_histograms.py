"""Figure: how well the losses separate wrong labels from correct ones, from the first division to the last."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.selection import chosen

TITLE = "The losses that were divided"
STAGES = ("first division", "half-way", "last division")
ROW_INCHES = 1.35
# Darker is worse, so that grey print tells them apart.
_COLORS = {"label right": "#9CCBE8", "label wrong": "#D55E00", "nobody knows which labels are right": style.LIGHT}
_BOUNDARY: dict[str, Any] = {"color": "black", "linewidth": 1.2, "linestyle": (0, (4, 2))}


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """One row per bar: `condition`, `trial` (the chosen one), `stage` (one of STAGES), `epoch`, `low`, `high` (bin
    edges, scaled loss), `share` of the epoch's images in it (mean of both networks), `oracle_wrong` (the part of
    `share` whose label is wrong; NaN if unknown), and per epoch `boundary`: the scaled loss below which as many images
    lie as its labelled set holds."""


def compute(trials: Trials) -> Info:
    """Collect the histograms. Raises NotApplicable: no chosen trial has divided its data by losses, or all did so
    before the tables had histograms."""
    histograms = ["loss_histogram", "oracle_loss_histogram"]
    columns = ["trial", "condition", "epoch", "split_state", "labelled_fraction", *histograms]
    epochs = trials.read_epochs(columns, trials=chosen(trials)["trial"])
    divided = epochs[~epochs["split_state"].isin(["none", "given"])]
    if divided.empty:
        raise NotApplicable("No chosen setting has an epoch that divides the data by their losses.")
    shown = pd.concat([_shown(own) for _, own in divided.groupby("condition", observed=True)])
    shown = shown[shown["loss_histogram"].notna()]
    if shown.empty:
        raise NotApplicable("The study was recorded before its tables held histograms of the losses.")
    return Info(pd.concat([_bars(row) for row in shown.to_dict("records")], ignore_index=True))


def _shown(epochs: pd.DataFrame) -> pd.DataFrame:
    """Select the first, the middle and the last epoch of one trial, as far as they differ, with `stage`."""
    last = len(epochs) - 1
    stages = {last // 2: STAGES[1], last: STAGES[2], 0: STAGES[0]}
    places = sorted(stages)
    return epochs.iloc[places].assign(stage=[stages[place] for place in places])


def _bars(row: Mapping[Hashable, Any]) -> pd.DataFrame:
    counts, wrong = row["loss_histogram"], row["oracle_loss_histogram"]
    edges = np.linspace(0, 1, len(counts) + 1)
    boundary = np.interp(row["labelled_fraction"], np.cumsum([0, *counts]) / counts.sum(), edges)
    return pd.DataFrame(
        {name: row[name] for name in ("condition", "trial", "stage", "epoch")}
        | {"low": edges[:-1], "high": edges[1:], "share": counts / counts.sum()}
        | {"oracle_wrong": wrong / counts.sum() if len(wrong) else float("nan"), "boundary": boundary}
    )


def finding(info: Info) -> str:
    """Say how many of the wrong labels lie left of the boundary at the last division."""
    last = info.frame[info.frame["epoch"] == info.frame.groupby("trial")["epoch"].transform("max")]
    left = last[last["high"] <= last["boundary"]].groupby("condition", observed=True)["oracle_wrong"].sum(min_count=1)
    share = (left / last.groupby("condition", observed=True)["oracle_wrong"].sum(min_count=1)).dropna()
    if share.empty:
        return f"Losses of {info.frame['trial'].nunique()} trials; which labels are wrong is not known."
    return (
        f"At the last division {style.spanned(share)} of the wrong labels lie among the small losses, whose labels are "
        "taken for right."
    )


def caption(info: Info) -> str:
    return (
        "The losses from which the chosen setting of each condition made its divisions, scaled to [0, 1] by each "
        "network's smallest and largest, and averaged over `divide/loss_history`. Two humps, one for each kind of "
        "label, are what the mixture can tell apart. Wrong labels at the left are taken for right. Where they gather "
        "there from the first division to the last, the networks learn them by heart. Right labels at the right are "
        "images that the labelled set goes without. Compare shapes, not places: an epoch's scale is its own, and one "
        "extreme loss presses all others to the left. Left of the dashed line lie as many images as the labelled set "
        "holds: there the threshold on the clean probability falls, as far as that falls with the loss. Bars may rise "
        f"beyond their panel, whose height fits the first division. n = {info.frame['trial'].nunique()} trials, one "
        "seed each, mean of both networks. Which labels are wrong is known to the observer only."
    )


def draw(info: Info, figure: Figure) -> None:
    names = list(dict.fromkeys(info.frame["condition"]))
    stages = [stage for stage in STAGES if stage in set(info.frame["stage"])]
    figure.set_size_inches(style.WIDTH, ROW_INCHES * len(names) + 1.2)
    axes = figure.subplots(len(names), len(stages), sharex=True, sharey="row", squeeze=False)
    groups = dict(iter(info.frame.groupby(["condition", "stage"])))
    for line, name in zip(axes, names, strict=True):
        line[0].set_ylabel(name)
        for ax, stage in zip(line, stages, strict=True):
            if (name, stage) in groups:
                _draw_bars(ax, groups[name, stage])
            else:
                ax.set_axis_off()
        style.percent(line[0].yaxis)
        line[0].set_ylim(top=1.25 * line[0].dataLim.y1)
    for ax, stage in zip(axes[0], stages, strict=True):
        ax.set_title(stage)
    axes[0][0].set_xlim(0, 1)
    known = info.frame["oracle_wrong"].notna()
    used = [known.any(), known.any(), not known.all()]
    entries = zip(_COLORS.items(), used, strict=True)
    patches = [Patch(color=color, label=label) for (label, color), there in entries if there]
    style.legend(figure, [*patches, Line2D([], [], label="end of the labelled set", **_BOUNDARY)])
    figure.supxlabel("scaled loss", fontsize=9.5)
    figure.supylabel("images (%)", fontsize=9.5)


def _draw_bars(ax: Axes, rows: pd.DataFrame) -> None:
    right, wrong, unknown = _COLORS.values()
    edges = [*rows["low"], rows["high"].iloc[-1]]
    clean = rows["share"] - rows["oracle_wrong"]
    if clean.isna().all():
        ax.stairs(rows["share"], edges, fill=True, color=unknown)
    else:
        ax.stairs(clean, edges, fill=True, color=right)
        ax.stairs(rows["share"], edges, baseline=clean, fill=True, color=wrong)
    ax.axvline(rows["boundary"].iloc[0], **_BOUNDARY)
    ax.text(0.97, 0.95, f"epoch {rows['epoch'].iloc[0]}", transform=ax.transAxes, ha="right", va="top", fontsize=8.5)
