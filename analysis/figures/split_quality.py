"""Figure: how well co-divide separated correct labels from wrong ones, epoch by epoch."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import curves, style
from analysis.frames.load import NotApplicable, Trials

TITLE = "Quality of the split"
MEASURES = {"oracle_split_auc": "AUC", "oracle_split_precision": "precision (%)", "oracle_split_recall": "recall (%)"}


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns of `curves.compared_epochs`, with the three `oracle_split_*` columns."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect the split quality. Raises NotApplicable: no chosen or baseline trial has divided its data yet."""
    frame = curves.compared_epochs(trials, list(MEASURES))
    if frame.empty:
        raise NotApplicable("No chosen setting and no baseline has an epoch of co-divide with known true labels.")
    return Info(frame, trials.baselines)


def finding(info: Info) -> str:
    """Say how well the last divisions of the chosen settings tell right labels from wrong ones."""
    last = info.frame.drop_duplicates("trial", keep="last")
    own = last[last["role"] == "chosen"] if (last["role"] == "chosen").any() else last
    auc, right = style.spanned(own["oracle_split_auc"], "{:.2f}"), style.spanned(own["oracle_split_precision"])
    return f"The last divisions have AUC {auc}; of the labels in their labelled sets {right} are right."


def caption(info: Info) -> str:
    return (
        "Measured against the true labels, which neither training nor search sees. AUC .5 means that the clean "
        "probability knows nothing. Precision is the share of the labelled set whose label is right, recall the share "
        "of right labels that are in it. A threshold moves precision against recall, the contrastive term should lift "
        f"all three. n = {info.frame['trial'].nunique()} trials, one seed each."
    )


def draw(info: Info, figure: Figure) -> None:
    for (_, measure), ax in curves.grid(figure, info.frame, MEASURES, info.baselines).items():
        if measure != "oracle_split_auc":
            style.percent(ax.yaxis)
