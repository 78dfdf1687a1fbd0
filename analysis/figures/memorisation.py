"""Figure: when the networks begin to memorise the wrong labels."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import curves, style
from analysis.frames.load import NotApplicable, Trials

TITLE = "Memorised wrong labels"
_DASHED = (0, (4, 2))


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns of `curves.compared_epochs`, with `oracle_memorised` (share of the wrongly labelled training samples
    whose wrong label is predicted) and `oracle_labelled_noise` (share of the labelled set whose label is wrong; NaN
    without a division)."""
    ends: pd.DataFrame
    """End of each phase of the chosen trial but the last: `condition`, `phase`, `samples_thousands`."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect the memorisation. Raises NotApplicable: no chosen or baseline trial has labels known to be wrong."""
    frame = curves.compared_epochs(trials, ["oracle_memorised", "oracle_split_precision"])
    if frame.empty:
        raise NotApplicable("No chosen setting and no baseline has an epoch with wrong labels known to the observer.")
    frame["oracle_labelled_noise"] = 1 - frame.pop("oracle_split_precision")
    mine = trials.epochs[trials.epochs["trial"].isin(frame.loc[frame["role"] == "chosen", "trial"])]
    last = mine.groupby(["condition", "phase"], observed=True, sort=False)["samples"].max() / 1000
    ends = last.rename("samples_thousands").reset_index()
    return Info(frame, ends[ends.duplicated("condition", keep="last")].reset_index(drop=True), trials.baselines)


def finding(info: Info) -> str:
    """Compare what the chosen settings and the baselines have memorised at the end."""
    last = info.frame.drop_duplicates("trial", keep="last")
    chosen = last.loc[last["role"] == "chosen", "oracle_memorised"]
    others = last.loc[last["role"] != "chosen", ["role", "oracle_memorised"]]
    first = f"At their ends the chosen settings have memorised {style.spanned(chosen)} of the wrong labels"
    if others.empty:
        return f"{first}."
    worst = others.nlargest(1, "oracle_memorised").iloc[0]
    return f"{first}, {worst['role']} up to {100 * worst['oracle_memorised']:.0f}%."


def caption(info: Info) -> str:
    return (
        "Share of the wrongly labelled training samples whose wrong label the ensemble predicts. A curve that climbs "
        "means that the network learns the noise. A cross-entropy baseline does so sooner or later, co-divide is "
        "there to prevent it. Where the noise confuses like classes, the curve starts higher: there an honest mistake "
        "is a wrong label too. Dashed: the share of the chosen setting's labelled set whose label is wrong, which is "
        "what it has to learn from. Dotted: where the chosen trial's pre-training and warm-up end. n = "
        f"{info.frame['trial'].nunique()} trials, one seed each; true labels are known to the observer only."
    )


def draw(info: Info, figure: Figure) -> None:
    marks = style.marks(info.baselines)
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    for name, ax in style.panels(figure, list(groups)).items():
        curves.lines(ax, groups[name], "oracle_memorised", marks)
        _draw_chosen(ax, groups[name], info.ends[info.ends["condition"] == name])
        style.percent(ax.yaxis)
        ax.set_ylim(bottom=0)
        ax.set_xlim(left=0)
    own = Line2D([], [], color=style.CHOSEN.color, linestyle=_DASHED, label="wrong labels in its labelled set")
    end = Line2D([], [], color=style.GREY, linestyle=":", label="a phase ends")
    curves.legend(figure, info.frame, marks, [own, end])
    figure.supxlabel("samples drawn (thousands)", fontsize=9.5)
    figure.supylabel("wrong labels memorised (%)", fontsize=9.5)


def _draw_chosen(ax: Axes, rows: pd.DataFrame, ends: pd.DataFrame) -> None:
    mine = curves.thinned(rows[rows["role"] == "chosen"])
    ax.plot(mine["samples_thousands"], mine["oracle_labelled_noise"], color=style.CHOSEN.color, linestyle=_DASHED)
    for end in ends["samples_thousands"]:
        ax.axvline(end, color=style.GREY, linestyle=":", linewidth=1)
