"""Figure: empirical distribution of the objective, per condition."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.selection import baseline_trials, ranking, roles

TITLE = "How rare good settings are"
_SEARCHED = Line2D([], [], color=style.GREY, linewidth=1.5, label="searched trials")


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """One row per complete trial, searched or baseline: `condition`, `trial`, `role`, `objective`, `share` (of the
    condition's finished searched trials that are not better), `ruled_out` (share of them that was ruled out), `n`
    (their number)."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Compute the distribution. Trials that were ruled out (see `analysis.tables.selection.ranking`) count as worse
    than every complete one: without them, a space would look better the more of it is pruned.

    Raises NotApplicable: no searched trial is complete.
    """
    if trials.searched.empty:
        raise NotApplicable("No searched trial is complete yet.")
    complete = pd.concat([trials.searched, baseline_trials(trials)])
    parts = []
    for condition, pool in ranking(trials).groupby("condition", observed=True):
        values = np.sort(pool["objective"].mask(pool["ruled_out"], -np.inf))
        own = complete.loc[complete["condition"] == condition, ["condition", "trial", "objective"]]
        share = np.searchsorted(values, own["objective"], side="right") / len(values)
        parts.append(own.assign(share=share, ruled_out=pool["ruled_out"].mean(), n=len(values)))
    frame = pd.concat(parts).sort_values(["condition", "objective"], kind="stable", ignore_index=True)
    frame.insert(2, "role", frame["trial"].map(roles(trials)))
    return Info(frame, trials.baselines)


def finding(info: Info) -> str:
    """Name the baseline that most searched trials fail to beat."""
    others = info.frame[info.frame["role"].isin(info.baselines)]
    if others.empty:
        return f"No baseline is complete; {len(info.frame)} searched trials are."
    best = others.loc[others.groupby("condition", observed=True)["objective"].idxmax()]
    ahead = style.spanned(1 - best["share"])
    return f"Of the searched trials {ahead} are ahead of their condition's best baseline by the objective."


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", observed=True)["n"].first()
    counts = ", ".join(f"{condition}: {count}" for condition, count in n.items())
    return (
        "At each value of the objective, the share of searched trials that did not exceed it (Radosavovic et al. "
        "2020, arXiv 2003.13678). What the curve still has to climb right of a baseline is the share of settings that "
        "beat it. A curve that climbs at its right end only says that good settings are rare. Pruned trials count as "
        "behind all others, so a curve starts at their share. A sampler that learns visits good settings more often "
        f"than they occur. n = finished searched trials, {counts}."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    for name, ax in style.panels(figure, list(groups)).items():
        _draw_condition(ax, groups[name], marks)
    handles = [style.handle(mark) for mark in (style.CHOSEN, *marks.values())]
    style.legend(figure, [handles[0], _SEARCHED, *handles[1:]])
    figure.supxlabel("objective: accuracy on given labels (%)", fontsize=9.5)
    figure.supylabel("searched trials not above (%)", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    curve = rows[rows["role"].isin(["search", "chosen"])]
    start = rows.head(1).assign(share=rows["ruled_out"])
    ax.step(*pd.concat([start, curve])[["objective", "share"]].to_numpy().T, where="post", color=style.GREY, lw=1.5)
    for role, mark in {**marks, "chosen": style.CHOSEN}.items():
        part = rows[rows["role"] == role]
        ax.vlines(part["objective"], 0, part["share"], color=mark.color, linewidth=1)
        ax.plot(part["objective"], part["share"], mark.marker, color=mark.color, ms=style.size(mark), mec="white")
    ax.set_ylim(0, 1.06)
    style.percent(ax.xaxis)
    style.percent(ax.yaxis)
