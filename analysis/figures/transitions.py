"""Figure: the realised transition matrices, which classes the noise of each condition confuses."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.study_tables import condition_table

TITLE = "What the noise does to the labels"
WRITTEN = 10
"""Maximum number of classes with which numbers are written into the cells."""
FAINTEST = 0.001
"""Share below which a cell looks empty."""


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `true`, `given` (classes, from 0), `share` (of the true class; a row's sum is 1), without
    empty cells."""
    classes: int
    rates: dict[str, float]
    """Realised noise rate by condition."""
    images: int
    """Number of images whose labels were counted; 0 if not recorded."""


def compute(trials: Trials) -> Info:
    """Read the matrix of each condition from its first trial that has one: all trials of the search share their labels.

    Raises NotApplicable: no trial has one.
    """
    rows = trials.trials[trials.trials["oracle_transition"].str.startswith("[[")].drop_duplicates("condition")
    if rows.empty:
        raise NotApplicable("No trial recorded a transition matrix: true labels are not known.")
    parts, classes = [], 0
    for condition, text in zip(rows["condition"], rows["oracle_transition"], strict=True):
        matrix = np.array(json.loads(text), dtype=float)
        true, given = np.nonzero(matrix)
        parts.append(pd.DataFrame({"condition": condition, "true": true, "given": given, "share": matrix[true, given]}))
        classes = max(classes, len(matrix))
    known = condition_table(trials)["oracle_noise_rate"].to_dict()
    counts = [trials.environment.get(f"{part}_images", 0) for part in ("training", "validation")]
    return Info(
        pd.concat(parts, ignore_index=True),
        classes,
        {str(condition): float(known[condition]) for condition in rows["condition"]},
        sum(counts) if all(counts) else 0,
    )


def finding(info: Info) -> str:
    """Name the condition with most wrong labels, and its commonest mistake."""
    worst = max(info.rates, key=lambda name: info.rates[name])
    wrong = info.frame[(info.frame["condition"] == worst) & (info.frame["true"] != info.frame["given"])]
    first = f"{worst} has most wrong labels, {100 * info.rates[worst]:.0f}%"
    if wrong.empty:
        return f"{first}."
    row = wrong.nlargest(1, "share").iloc[0]
    share, true, given = f"{100 * row['share']:.0f}%", row["true"], row["given"]
    return f"{first}; its commonest mistake gives {share} of class {true} the label {given}."


def caption(info: Info) -> str:
    counted = f" of {info.images:,} labels, training and validation part" if info.images else ""
    numbers = " Numbers are percent of the true class." if info.classes <= WRITTEN else ""
    return (
        "Row: true class, column: given label; what was counted after the noise was drawn, not what was asked for. "
        "The scale is logarithmic, so that a label which rarely occurs can be told from one that never does. Where a "
        "spot beside the diagonal is as dark as the diagonal, labels alone do not say which of the two classes is "
        f"meant, and no method can.{numbers} n = {len(info.rates)} conditions"
        f" with {info.classes} classes{counted}."
    )


def draw(info: Info, figure: Figure) -> None:
    groups = {str(name): group for name, group in info.frame.groupby("condition", sort=False)}
    columns = min(len(groups), 4 if info.classes > WRITTEN else 3)
    axes = style.panels(figure, list(groups), height=style.WIDTH / columns, columns=columns)
    for name, ax in axes.items():
        image = _draw_matrix(ax, groups[name], info.classes)
        ax.set_title(f"{name}\n{100 * info.rates[name]:.1f}% wrong")
    bar = figure.colorbar(image, ax=figure.axes, aspect=50, pad=0.02, shrink=0.8)
    bar.set_ticks([0.001, 0.01, 0.1, 1], labels=["0.1", "1", "10", "100"])
    bar.set_label("share of the true class (%)")
    figure.supxlabel("given label", fontsize=9.5)
    figure.supylabel("true class", fontsize=9.5)


def _draw_matrix(ax: Axes, rows: pd.DataFrame, classes: int) -> AxesImage:
    matrix = np.zeros((classes, classes))
    matrix[rows["true"], rows["given"]] = rows["share"]
    image = ax.imshow(np.maximum(matrix, FAINTEST), cmap="Blues", norm=LogNorm(FAINTEST, 1), interpolation="none")
    ax.grid(visible=False)
    if classes <= WRITTEN:
        ax.set_xticks(range(classes))
        ax.set_yticks(range(classes))
        seen = rows[rows["share"] >= FAINTEST]
        for true, given, share in zip(seen["true"], seen["given"], seen["share"], strict=True):
            told = f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}"
            ink = "white" if share > 0.1 else "black"
            text = ax.text(given, true, told, ha="center", va="center", fontsize=6.5, color=ink)
            text.set_in_layout(False)
    return image
