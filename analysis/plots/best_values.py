"""How the best value of each setting moves along the noise."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.load import NotApplicable, Trials
from analysis.plots import style
from analysis.space import Setting, searched_settings
from analysis.tables import best_fifth, chosen, condition_table

TITLE = "Best values along the noise"
_KINDS = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """`condition`, `noise_kind`, `oracle_noise_rate`, `setting`, `best`, `low`, `high` (of the top trials), `top`
    (how many)."""
    settings: tuple[Setting, ...]


def compute(trials: Trials) -> Info:
    """Numbers only: a choice has no band. The top is the best fifth of the complete searched trials, at least three.

    NotApplicable: nothing numeric was searched, or no searched trial is complete.
    """
    settings = tuple(s for s in searched_settings(trials.spec) if s.type != "categorical")
    best, conditions = chosen(trials), condition_table(trials)
    if not settings:
        raise NotApplicable("No setting with a numeric range was searched.")
    if best.empty:
        raise NotApplicable("No searched trial is complete yet.")
    rows = []
    for condition, pool in trials.searched.groupby("condition", observed=True):
        known = conditions.loc[[condition]].iloc[0]
        top = best_fifth(pool)
        for setting in settings:
            values = setting.values(top)
            rows.append(
                {
                    "condition": condition,
                    "noise_kind": known["noise_kind"],
                    "oracle_noise_rate": known["oracle_noise_rate"],
                    "setting": setting.path,
                    "best": setting.values(best.loc[[condition]]).iloc[0],
                    "low": values.min(),
                    "high": values.max(),
                    "top": len(top),
                }
            )
    frame = pd.DataFrame(rows)
    if frame["oracle_noise_rate"].isna().all():
        raise NotApplicable("No trial recorded its realised noise rate.")
    return Info(frame, settings)


def caption(info: Info) -> str:
    tops = info.frame.groupby("condition", sort=False)["top"].first()
    counts = ", ".join(f"{condition}: {n}" for condition, n in tops.items())
    return (
        "Points are the chosen setting's values, bars the range over the best fifth of the searched trials (at least "
        "three). A bar as tall as the axis means that the data do not say which value is best; a trend within the "
        "bars is no trend. Lines join conditions of one kind of noise. The x axis is the realised rate, known to the "
        f"observer only. n = trials in a bar, {counts}."
    )


def draw(info: Info, figure: Figure) -> None:
    axes = style.panels(figure, [setting.path for setting in info.settings])
    kinds = dict(zip(dict.fromkeys(info.frame["noise_kind"]), _KINDS * len(info.frame), strict=False))
    for setting in info.settings:
        _draw_setting(axes[setting.path], setting, info.frame[info.frame["setting"] == setting.path], kinds)
    color = style.CHOSEN.color
    handles = [Line2D([], [], color=color, linestyle=line, marker=m, label=kind) for kind, (line, m) in kinds.items()]
    style.legend(figure, handles)
    figure.supxlabel("realised noise rate (%)", fontsize=9.5)


def _draw_setting(ax: Axes, setting: Setting, rows: pd.DataFrame, kinds: dict[str, tuple[str, str]]) -> None:
    for kind, part in rows.sort_values("oracle_noise_rate").groupby("noise_kind", sort=False):
        line, marker = kinds[str(kind)]
        x = part["oracle_noise_rate"]
        low, high = style.positions(part["low"], setting), style.positions(part["high"], setting)
        ax.vlines(x, low, high, color=style.CHOSEN.color, alpha=0.3, linewidth=7)
        ax.plot(x, style.positions(part["best"], setting), color=style.CHOSEN.color, linestyle=line, marker=marker)
    style.setting_axis(ax, "y", setting)
    style.percent(ax.xaxis)
    ax.margins(x=0.1)
