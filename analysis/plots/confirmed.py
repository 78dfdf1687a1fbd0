"""What the search chose against the baselines, trained again with fresh seeds and fresh noise."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from analysis.load import NotApplicable, Trials
from analysis.plots import style
from analysis.statistics import confirmation_table

TITLE = "Confirmed"
ROBUST = style.Mark("robust over the conditions", style.CHOSEN.color, "o")
STEP = 0.17
"""Inches between two settings of a condition."""


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
    alone = " A mark without a line is one training." if few == 1 else ""
    return (
        "Mean accuracy on true test labels with its 95% interval (Student's t), on training and validation images, "
        "with seeds and, where the study makes the noise, labels that the search never saw. The settings were chosen "
        "before, so the best of them flatters nobody here. Where two intervals overlap widely, more seeds are needed "
        f"to tell which is better; all share the noise draws, so differences are surer than the lines look.{alone} n = "
        f"{few if few == many else f'{few} to {many}'} trainings of each setting, {info.frame['n'].sum()} in all."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines) | {"chosen": style.CHOSEN, "robust": ROBUST}
    order = {method: place for place, method in enumerate(marks)}
    rows = info.frame.assign(order=info.frame["method"].map(order))
    rows = rows.sort_values(["condition", "order"], kind="stable", ignore_index=True)
    names = list(dict.fromkeys(rows["condition"]))
    # One step a setting, and one between two conditions.
    rows["y"] = rows.index + rows["condition"].astype(str).map(names.index)
    figure.set_size_inches(style.WIDTH, 1.2 + STEP * (rows["y"].iloc[-1] + 1))
    ax = figure.subplots()
    for method, mark in marks.items():
        own = rows[rows["method"] == method]
        ax.hlines(own["y"], own["low"], own["high"], color=mark.color, linewidth=1.6)
        size = 0.8 * style.size(mark)
        ax.plot(own["oracle_test_acc"], own["y"], mark.marker, color=mark.color, ms=size, mec="white", mew=0.4)
    ax.set_yticks(rows.groupby("condition", observed=True)["y"].mean(), names)
    for end in rows.groupby("condition", observed=True)["y"].max().iloc[:-1]:
        ax.axhline(end + 1, color=style.LIGHT, linewidth=0.7)
    ax.set_ylim(rows["y"].max() + 1, -1)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("test accuracy on true labels (%)")
    style.percent(ax.xaxis)
    shown = set(rows["method"])
    style.legend(figure, [style.handle(mark) for method, mark in marks.items() if method in shown])
