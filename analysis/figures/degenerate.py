"""Figure: how often co-divide found nothing to divide, by state of the division."""

from dataclasses import dataclass
from typing import get_args

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from codim.metrics import SplitState

TITLE = "Degenerate divisions"
STATES: tuple[str, ...] = get_args(SplitState)
LOST = ("unimodal", "degenerate")
# Darker is worse, so that the order survives printing in grey.
_COLORS = dict(zip(STATES, ("#EDEDED", "#D0D0D0", "#9CCBE8", "#56B4E9", "#D55E00", "#000000"), strict=True))


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """All states of all conditions with an epoch: `condition`, `split_state`, `epochs` (in that state), `share` (of the
    condition's epochs), `ended` (trials whose last epoch was in it), `trials` (with an epoch, in the condition)."""


def compute(trials: Trials) -> Info:
    """Count the states over all trials of the search, even pruned and failed. Raises NotApplicable: no epoch ended
    yet."""
    epochs = trials.epochs[trials.epochs["split_state"].isin(STATES)]
    if epochs.empty:
        raise NotApplicable("No epoch has ended yet.")
    last = epochs.drop_duplicates("trial", keep="last")
    frame = _counts(epochs, "epochs").assign(ended=_counts(last, "ended")["ended"])
    frame["share"] = frame["epochs"] / frame.groupby("condition", observed=True)["epochs"].transform("sum")
    frame["trials"] = frame.groupby("condition", observed=True)["ended"].transform("sum")
    return Info(frame)


def _counts(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Count the rows by `condition` and `split_state` in column `name`, in the order of both."""
    wide = pd.crosstab(rows["condition"], rows["split_state"]).reindex(columns=list(STATES), fill_value=0)
    long = wide.reset_index().melt("condition", var_name="split_state", value_name=name)
    return long.sort_values("condition", kind="stable", ignore_index=True)


def finding(info: Info) -> str:
    """Say how many trials ended with a division that says little."""
    bad = info.frame[info.frame["split_state"].isin(["unimodal", "degenerate"])]
    trials = int(info.frame.drop_duplicates("condition")["trials"].sum())
    ended = bad.groupby("condition", observed=True)["ended"].sum()
    where = f", most of them in {ended.idxmax()}" if ended.sum() else ""
    return f"{int(ended.sum())} of {trials} trials ended with a division that says little about the labels{where}."


def caption(info: Info) -> str:
    per = info.frame.drop_duplicates("condition")
    n = ", ".join(f"{condition}: {count}" for condition, count in zip(per["condition"], per["trials"], strict=True))
    return (
        "Left: epochs by the worse of both networks' divisions. None: pre-training, warm-up, and methods without a "
        "division. Given: labelled beforehand. Clipped: the threshold was moved so that neither set is empty. "
        "Unimodal: the mixture's means lie within one standard deviation, or one component is empty. Degenerate: the "
        "losses have no order, and every second sample is labelled. Right: trials whose last epoch was one of the "
        "latter two, whatever became of them: they trained on a division that says little about the labels. Many of "
        "them in one condition ask for a longer warm-up or another range of the threshold. n = trials with an epoch, "
        f"{n}; {info.frame['epochs'].sum():,} epochs."
    )


def draw(info: Info, figure: Figure) -> None:
    names = list(dict.fromkeys(info.frame["condition"]))
    figure.set_size_inches(style.WIDTH, 1.4 + 0.42 * len(names))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _stack(left, info.frame.pivot(index="condition", columns="split_state", values="share").reindex(names), STATES)
    ended = info.frame.assign(share=info.frame["ended"] / info.frame["trials"])
    wide = ended.pivot(index="condition", columns="split_state", values="share").reindex(names)
    _stack(right, wide, LOST)
    lost = info.frame[info.frame["split_state"].isin(LOST)].groupby("condition", observed=True)["ended"].sum()
    trials = info.frame.groupby("condition", observed=True)["trials"].first()
    for place, name in enumerate(names):
        where = float(wide.loc[name, list(LOST)].sum()) + 0.01
        right.text(where, place, f"{lost[name]} of {trials[name]}", va="center", fontsize=8.5)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("epochs (%)")
    right.set_xlabel("trials that ended so (%)")
    for ax in (left, right):
        style.percent(ax.xaxis)
        ax.grid(visible=False, axis="y")
    left.set_xlim(0, 1)
    right.set_xlim(0, max(0.1, 1.3 * float(wide[list(LOST)].sum(axis=1).max())))
    style.legend(figure, [Patch(fc=color, ec=style.GREY, label=state) for state, color in _COLORS.items()])


def _stack(ax: Axes, wide: pd.DataFrame, states: tuple[str, ...]) -> None:
    ends = wide[list(states)].cumsum(axis=1)
    for state in states:
        start = ends[state] - wide[state]
        ax.barh(range(len(wide)), wide[state], left=start, height=0.6, fc=_COLORS[state], ec=style.GREY, linewidth=0.5)
