"""Figure: the predicted cost of moving each setting away from its chosen value."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, params, searched_settings
from analysis.statistics.resolution import resolution_table
from analysis.statistics.surrogate import MIN_TRIALS, TrialModel, fit_model
from analysis.tables.selection import chosen, finished_trials

TITLE = "How exactly each setting must be set"
DRAWS = 1000
"""Number of posterior draws."""
FACTOR, SHARE = 2.0, 0.1
"""Size of a move: times or divided by FACTOR for settings searched in the logarithm, else by SHARE of the range."""
_COLUMNS = ["condition", "setting", "direction", "value", "moved", "loss", "standard_error", "resolution", "n"]
_SIDES = {-1: ("<", "#0072B2", -0.16), 1: (">", "#D55E00", 0.16)}


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """One row per condition, setting and `direction` (-1, 1) that can move: `value` (chosen), `moved`, `loss`
    (predicted, in accuracy on true labels; negative: better), `standard_error` (of the loss, over draws from the
    model's posterior), `resolution` (1 standard error of the objective, likewise), `n` (trials fitted)."""
    missing: tuple[str, ...]
    """One sentence for each condition that has no row."""


def compute(trials: Trials) -> Info:
    """Predict the losses with the study's own model of all its trials (study/surrogate/process.py).

    Raises NotApplicable: nothing numeric was searched, or no condition can be ranked and has enough trials.
    """
    settings = [s for s in searched_settings(trials.spec) if not s.axis.choices]
    if not settings:
        raise NotApplicable("No setting with a numeric range was searched.")
    best, resolution = chosen(trials), resolution_table(trials).set_index("condition")
    if best.empty:
        raise NotApplicable("No searched trial is complete yet.")
    counts = {condition: len(finished_trials(trials, condition)) for condition in best.index}
    rows, missing, model = [], [], None
    for condition, n in counts.items():
        sure = resolution.loc[condition]
        if not sure["can_rank"]:
            missing.append(f"{condition}: {sure['reason']}.")
        elif n < MIN_TRIALS:
            missing.append(f"{condition}: {MIN_TRIALS} finished searched trials are needed, it has {n}.")
        else:
            model = model or fit_model(trials)
            found = _losses(model, settings, best.loc[[condition]], condition)
            rows += [(condition, *row, float(sure["clean_standard_error"]), n) for row in found]
    if not rows:
        raise NotApplicable(" ".join(missing) or "No chosen value can be moved within its range.")
    return Info(pd.DataFrame(rows, columns=_COLUMNS), tuple(missing))


def moved(setting: Setting, value: float, direction: int) -> float:
    """Return the moved value; NaN if it leaves the range, or for a 0 beside it. Whole numbers move by at least one."""
    if setting.axis.zero and value == 0:
        return float("nan")
    new = (
        value * FACTOR**direction
        if setting.axis.log
        else value + direction * SHARE * (setting.axis.high - setting.axis.low)
    )
    if setting.axis.whole:
        new = direction * max(direction * round(new), direction * value + 1)
    return new if setting.axis.low <= new <= setting.axis.high else float("nan")


def _losses(
    model: TrialModel, settings: Sequence[Setting], best: pd.DataFrame, condition: str
) -> list[tuple[str, int, float, float, float, float]]:
    """Return (setting, direction, value, moved, loss, standard error) for one condition."""
    (home,) = params(model.trials.spec, best)
    places = [
        (s.path, d, float(home[s.path]), moved(s, float(home[s.path]), d))
        for s in settings
        if s.path in home
        for d in (-1, 1)
    ]
    places = [place for place in places if not np.isnan(place[3])]
    asked = [home, *({**home, path: new} for path, _, _, new in places)]
    drawn = model.surrogate.draws(asked, [model.tasks[condition]], DRAWS)[:, 0]
    losses = drawn[:, :1] - drawn[:, 1:]
    found = zip(places, losses.mean(0), losses.std(0), strict=True)
    return [(*place, float(loss), float(error)) for place, loss, error in found]


def finding(info: Info) -> str:
    """Count the moves that cost more than the objective can tell, and name the dearest."""
    dear = info.frame[info.frame["loss"] > info.frame["resolution"]]
    first = f"{len(dear)} of {len(info.frame)} moves cost more than the objective can tell"
    if dear.empty:
        return f"{first}."
    worst = dear.nlargest(1, "loss").iloc[0]
    return f"{first}, at most {100 * worst['loss']:.1f} points, by {worst['setting']} in {worst['condition']}."


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", sort=False)["n"].first()
    counts = ", ".join(f"{condition}: {count}" for condition, count in n.items())
    return " ".join(
        [
            "Predicted loss when one setting moves and the others stay: halved or doubled where the range is "
            "logarithmic, by a tenth of the range elsewhere. In points of accuracy on true labels (objective over its "
            "slope), by the model of all trials; lines are 1 standard error of its posterior. A mark in the grey band "
            "(1 standard error of the objective) cannot be told from no loss: the setting may stand anywhere between. "
            "One far right of it must be set with care. No mark: the move leaves the range. n = trials of the "
            f"condition, {counts}.",
            *info.missing,
        ]
    )


def draw(info: Info, figure: Figure) -> None:
    groups = {str(name): group for name, group in info.frame.groupby("condition", sort=False)}
    names = list(dict.fromkeys(info.frame["setting"]))
    axes = style.panels(figure, list(groups), height=0.9 + 0.3 * len(names), columns=min(len(groups), 2))
    for name, ax in axes.items():
        _draw_condition(ax, groups[name], names)
        ax.set_title(f"{name} (n = {groups[name]['n'].iloc[0]})")
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=color, ms=7, label=label)
        for (marker, color, _), label in zip(_SIDES.values(), ("smaller", "larger"), strict=True)
    ]
    style.legend(figure, [*handles, Patch(color="#E4E4E4", label="1 standard error of the objective")])
    figure.supxlabel("predicted loss (points of accuracy on true labels)", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    band = rows["resolution"].iloc[0]
    if not np.isnan(band):
        ax.axvspan(-band, band, color="#E4E4E4", zorder=0)
    ax.axvline(0, color="black", linewidth=0.8)
    for direction, (marker, color, shift) in _SIDES.items():
        own = rows[rows["direction"] == direction]
        y = own["setting"].map(names.index) + shift
        ax.hlines(y, own["loss"] - own["standard_error"], own["loss"] + own["standard_error"], color=color)
        ax.plot(own["loss"], y, marker, color=color, ms=7, mec="white", mew=0.5)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    style.percent(ax.xaxis)
