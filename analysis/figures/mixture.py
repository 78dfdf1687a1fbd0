"""Figure: the mixture model of the losses, epoch by epoch."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import curves, style
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.study_tables import condition_table

TITLE = "The mixture behind the split"
MEASURES = {
    "separation": "separation (deviations)",
    "threshold": "threshold (probability)",
    "labelled_fraction": "labelled set (%)",
}


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns of `curves.compared_epochs`, with `separation` (distance of the means over the pooled standard
    deviation), `threshold` (on the clean probability, after clipping), `labelled_fraction`, and `oracle_clean_fraction`
    (1 minus the condition's realised noise rate; NaN if unknown)."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect the mixtures. Raises NotApplicable: no chosen or baseline trial has divided its data yet."""
    frame = curves.compared_epochs(trials, ["labelled_fraction", "separation", "threshold"])
    if frame.empty:
        raise NotApplicable("No chosen setting and no baseline has an epoch of co-divide.")
    clean = 1 - condition_table(trials)["oracle_noise_rate"]
    frame["oracle_clean_fraction"] = frame["condition"].map(clean.to_dict()).astype(float)
    return Info(frame, trials.baselines)


def finding(info: Info) -> str:
    """Count the trials whose last division hardly separates two kinds of losses."""
    last = info.frame.dropna(subset="separation").drop_duplicates("trial", keep="last")
    close = int((last["separation"] < 1).sum())
    return f"In {close} of {len(last)} trials the last mixture has means less than one standard deviation apart."


def caption(info: Info) -> str:
    return (
        "Left: how far apart the means of the two components lie, in pooled standard deviations. Below 1 (dotted) the "
        "division counts as unimodal, and which side a sample lies on says little. Middle: the threshold on the clean "
        "probability after clipping; it leaves its setting only where one side would have been empty. Right: the "
        "share of the training part in the labelled set; the dashed line is the share whose label is right, known to "
        "the observer only. A curve above it takes in wrong labels for certain; one below it may still hold wrong "
        f"ones (see the quality of the split). n = {info.frame['trial'].nunique()} trials, one seed each."
    )


def draw(info: Info, figure: Figure) -> None:
    clean = info.frame.groupby("condition", observed=True)["oracle_clean_fraction"].first()
    for (condition, measure), ax in curves.grid(figure, info.frame, MEASURES, info.baselines).items():
        if measure == "labelled_fraction":
            ax.axhline(clean[condition], color="black", linewidth=1, linestyle=(0, (4, 2)))
            style.percent(ax.yaxis)
            ax.set_ylim(0, 1.04)
        elif measure == "separation":
            ax.axhline(1, color=style.GREY, linewidth=1, linestyle=":")
            ax.set_ylim(0, 1.08 * float(info.frame["separation"].max()))
        else:
            ax.set_ylim(0, 1.04)
