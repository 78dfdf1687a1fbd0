"""Figure: test accuracy of the methods, condition by condition."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.study_tables import method_table

TITLE = "Methods side by side"
_HINDSIGHT = Line2D([], [], linestyle="", marker="*", markersize=12, color=style.CHOSEN.color, markerfacecolor="none")
_HINDSIGHT.set_label("best in hindsight (by test)")


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Table with the columns of `analysis.tables.study_tables.method_table`; only methods with a test accuracy."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect the test accuracies. Raises NotApplicable: no complete trial has a test accuracy."""
    frame = method_table(trials)
    frame = frame[frame["oracle_test_acc"].notna()].reset_index(drop=True)
    if frame.empty:
        raise NotApplicable("No complete trial has a test accuracy.")
    return Info(frame, trials.baselines)


def finding(info: Info) -> str:
    """Say how often the chosen setting is ahead of all baselines, and how far the best one in hindsight is."""
    wide = info.frame.pivot_table(index="condition", columns="method", values="oracle_test_acc", observed=True)
    if "chosen" not in wide:
        return f"No setting was chosen yet; {len(wide)} conditions have baselines alone."
    rivals, lost = wide.drop(columns=["chosen", "hindsight"], errors="ignore"), wide["hindsight"] - wide["chosen"]
    last = f"the best in hindsight is up to {100 * lost.max():.1f} points better"
    if rivals.empty:
        return f"No baseline to compare with in {len(wide)} conditions; {last} than the chosen setting."
    ahead = int((wide["chosen"] > rivals.max(axis=1)).sum())
    return (
        f"The chosen setting is ahead of every baseline in {ahead} of {len(wide)} conditions, in one training each; "
        f"{last}."
    )


def caption(info: Info) -> str:
    n = info.frame.loc[info.frame["method"] != "hindsight", "trial"].nunique()
    return (
        "Accuracy on true test labels, mean of the epochs that the objective averages, never the best epoch. Equal "
        "steps to the right divide the error by the same factor, so 98% to 99% is as far as 80% to 90%. The filled "
        "star is the setting that the search chose without seeing this axis, the hollow one the best it could have "
        f"chosen. The distance between them is the price of choosing by noisy labels. n = {n} trials, one seed each: "
        "without repeated seeds, small distances mean nothing."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    names = list(dict.fromkeys(info.frame["condition"]))
    figure.set_size_inches(style.WIDTH, 1.4 + 0.5 * len(names))
    ax = figure.subplots()
    rows = info.frame.assign(y=info.frame["condition"].astype(str).map(names.index))
    spread = rows.groupby("y")["oracle_test_acc"]
    ax.hlines(spread.min().index, spread.min(), spread.max(), color=style.LIGHT, linewidth=1)
    hindsight = rows[rows["method"] == "hindsight"]
    (line,) = ax.plot(hindsight["oracle_test_acc"], hindsight["y"], "*", mec=style.CHOSEN.color, mfc="none", ms=13)
    hover.name(line, hindsight["trial"])
    for method, mark in {**marks, "chosen": style.CHOSEN}.items():
        part = rows[rows["method"] == method]
        (line,) = ax.plot(
            part["oracle_test_acc"],
            part["y"],
            mark.marker,
            color=mark.color,
            ms=style.size(mark) + 1,
            mec="white",
            mew=0.5,
        )
        hover.name(line, part["trial"])
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("test accuracy on true labels (%)")
    style.error_axis(ax)
    style.legend(figure, [*(style.handle(mark) for mark in (style.CHOSEN, *marks.values())), _HINDSIGHT])
