"""How well co-divide told right labels from wrong ones, epoch by epoch."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.load import NotApplicable, Trials
from analysis.plots import style
from analysis.tables import roles

TITLE = "Quality of the split"
MEASURES = {"oracle_split_auc": "AUC", "oracle_split_precision": "precision (%)", "oracle_split_recall": "recall (%)"}
ROW_INCHES = 1.7


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """`condition`, `trial`, `role` (chosen or a baseline), `samples_thousands` and the three `oracle_split_*`
    columns."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """NotApplicable: no chosen or baseline trial has divided its data yet."""
    epochs = trials.epochs
    role = epochs["trial"].map(roles(trials))
    epochs = epochs[(role != "search") & epochs["oracle_split_auc"].notna()]
    if epochs.empty:
        raise NotApplicable("No chosen setting and no baseline has an epoch of co-divide with known true labels.")
    frame = epochs[["condition", "trial"]].copy()
    frame["role"] = role[epochs.index]
    frame["samples_thousands"] = epochs["samples"] / 1000
    return Info(frame.join(epochs[list(MEASURES)]).reset_index(drop=True), trials.baselines)


def caption(info: Info) -> str:
    return (
        "Measured against the true labels, which neither training nor search sees. AUC .5 means that the clean "
        "probability knows nothing; precision is the share of the labelled set whose label is right, recall the "
        "share of right labels that are in it. A threshold moves precision against recall, the contrastive term "
        f"should lift all three. n = {info.frame['trial'].nunique()} trials, one seed each."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    figure.set_size_inches(style.WIDTH, ROW_INCHES * len(MEASURES) + 1.0)
    grid = figure.subplots(len(MEASURES), len(groups), sharex="col", sharey="row", squeeze=False)
    for column, (name, rows) in enumerate(groups.items()):
        grid[0][column].set_title(name)
        for line, measure in zip(grid, MEASURES, strict=True):
            _draw_panel(line[column], rows, measure, marks)
    for line, (measure, label) in zip(grid, MEASURES.items(), strict=True):
        line[0].set_ylabel(label)
        if measure != "oracle_split_auc":
            style.percent(line[0].yaxis)
    shown = set(info.frame["role"])
    used = [mark for name, mark in {"chosen": style.CHOSEN, **marks}.items() if name in shown]
    style.legend(figure, [style.handle(mark, line=True) for mark in used])
    figure.supxlabel("samples drawn (thousands)", fontsize=9.5)


def _draw_panel(ax: Axes, rows: pd.DataFrame, measure: str, marks: dict[str, style.Mark]) -> None:
    for (role, _), part in rows.groupby(["role", "trial"], sort=False):
        mark = style.CHOSEN if role == "chosen" else marks[str(role)]
        width = 2.2 if role == "chosen" else 1.5
        ax.plot(part["samples_thousands"], part[measure], color=mark.color, linewidth=width)
