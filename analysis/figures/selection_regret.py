"""Figure: the loss from choosing by noisy labels, beside the resolution of the objective."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.resolution import resolution_table
from analysis.tables.study_tables import regret_table

TITLE = "The price of choosing by noisy labels"
MOST_TIED = 0.5
"""Largest share of trials tied with the best at which the objective still tells settings apart."""


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `oracle_noise_rate`, `regret` (>= 0; NaN without a test accuracy), `resolution` (2 standard
    errors of the objective, in accuracy on true labels; NaN if it cannot rank or n is unknown), `ties`, `searched`,
    `tied` (ties over searched; NaN if unknown), `reason`."""


def compute(trials: Trials) -> Info:
    """Compute regret and resolution of the conditions. Raises NotApplicable: no searched trial is complete."""
    table = resolution_table(trials)
    if table.empty:
        raise NotApplicable("No searched trial is complete yet, so nothing was chosen.")
    frame = table[["condition", "oracle_noise_rate"]].copy()
    frame["regret"] = table["condition"].map(regret_table(trials).set_index("condition")["regret"].to_dict())
    frame["resolution"] = 2 * table["clean_standard_error"]
    frame[["ties", "searched"]] = table[["ties", "searched"]]
    frame["tied"] = (frame["ties"] / frame["searched"]).where(table["standard_error"].notna() & table["can_rank"])
    return Info(frame.assign(reason=table["reason"]).astype({"regret": float}))


def finding(info: Info) -> str:
    """Count the conditions in which the objective can tell most trials from the best."""
    told = info.frame["tied"] <= MOST_TIED
    return (
        f"Validation labels tell at least half of the trials from the best in {int(told.sum())} of {len(told)} "
        f"conditions; the choice lost at most {100 * info.frame['regret'].max():.1f} points."
    )


def caption(info: Info) -> str:
    counts = ", ".join(f"{c}: {n}" for c, n in zip(info.frame["condition"], info.frame["searched"], strict=True))
    why = [f"{row['condition']}: {row['reason']}." for _, row in info.frame.iterrows() if row["reason"]]
    return " ".join(
        [
            "Left, diamonds: how much better on test images the best searched trial is than the chosen one. Bars: 2 "
            "standard errors of the objective, in points of accuracy on true labels. A diamond inside its bar is what "
            "so few validation images with so many wrong labels must cost. Only more images, more seeds or a cleaner "
            "validation part make it smaller. One beyond it says that objective and test accuracy prefer different "
            "settings. The best in hindsight is the luckiest of n on the test images, so each diamond lies somewhat "
            "too far right. Right: searched trials that cannot be told from the best by the objective, itself "
            f"included. n = complete searched trials, {counts}.",
            *why,
        ]
    )


def draw(info: Info, figure: Figure) -> None:
    frame, y = info.frame, range(len(info.frame))
    figure.set_size_inches(style.WIDTH, 1.5 + 0.42 * len(frame))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    left.barh(y, frame["resolution"], height=0.6, color=style.LIGHT)
    left.plot(frame["regret"], y, "D", color=style.CHOSEN.color, ms=7, mec="white", mew=0.5, clip_on=False)
    right.barh(y, frame["tied"], height=0.6, color="#56B4E9")
    for place, (ties, searched, tied) in enumerate(zip(frame["ties"], frame["searched"], frame["tied"], strict=True)):
        told = "cannot rank or unknown" if pd.isna(tied) else f"{ties} of {searched}"
        right.text(0.01, place, told, va="center", fontsize=8.5)
    rates = frame["oracle_noise_rate"]
    names = [
        f"{c} ({'unknown' if pd.isna(rate) else f'{100 * rate:.0f}% wrong'})"
        for c, rate in zip(frame["condition"], rates, strict=True)
    ]
    left.set_yticks(y, names)
    left.invert_yaxis()
    left.set_xlabel("points of test accuracy")
    right.set_xlabel("tied with the best (%)")
    for ax in (left, right):
        style.percent(ax.xaxis)
        ax.grid(visible=False, axis="y")
        ax.set_xlim(left=0)
    right.set_xlim(0, 1)
    regret = Line2D([], [], linestyle="", marker="D", color=style.CHOSEN.color, ms=7, label="lost by the choice")
    style.legend(figure, [regret, Patch(color=style.LIGHT, label="2 standard errors of the objective")])
