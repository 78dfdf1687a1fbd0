"""Figure: the best value of each setting along the noise."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, searched_settings
from analysis.tables.selection import best_fifth, chosen
from analysis.tables.study_tables import condition_table

TITLE = "Best values along the noise"
MIN_TRIALS = 3
"""Minimum number of top trials for which a bar is drawn."""
_KINDS = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))


_BY_CHANCE = "#DADADA"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `noise_kind`, `oracle_noise_rate`, `setting`, `best` (the chosen value), `top` (number of
    top trials that have the setting), `low`, `high` (their range; NaN below MIN_TRIALS), `chance` (mean range of as
    many values drawn uniformly from the axis, as a share of it; NaN likewise)."""
    settings: tuple[Setting, ...]


def compute(trials: Trials) -> Info:
    """Collect the best values of numeric settings; choices have no range. The top is
    `analysis.tables.selection.best_fifth` of the complete searched trials.

    Raises NotApplicable: nothing numeric was searched, or no searched trial is complete.
    """
    settings = tuple(s for s in searched_settings(trials.spec) if not s.axis.choices)
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
            values = setting.values(top).dropna()
            k, nan = len(values), float("nan")
            low, high = (values.min(), values.max()) if k >= MIN_TRIALS else (nan, nan)
            rows.append(
                {
                    "condition": condition,
                    "noise_kind": known["noise_kind"],
                    "oracle_noise_rate": known["oracle_noise_rate"],
                    "setting": setting.path,
                    "best": setting.values(best.loc[[condition]]).iloc[0],
                    "top": k,
                    "low": low,
                    "high": high,
                    "chance": (k - 1) / (k + 1) if k >= MIN_TRIALS else nan,
                }
            )
    frame = pd.DataFrame(rows)
    if frame["oracle_noise_rate"].isna().all():
        raise NotApplicable("No trial recorded its realised noise rate.")
    return Info(frame, settings)


def finding(info: Info) -> str:
    """Count the bars that are short enough to say where good values lie."""
    known = info.frame.dropna(subset=["low", "high", "chance"])
    settings = {setting.path: setting for setting in info.settings}
    short = 0
    for path, own in known.groupby("setting", sort=False):
        ends = [style.fractions(own[side], settings[str(path)]) for side in ("low", "high")]
        short += int((ends[1] - ends[0] < own["chance"] / 2).sum())
    return (
        f"In {short} of {len(known)} cases (setting and condition) the best values span less than half of what chance "
        "would give."
    )


def caption(info: Info) -> str:
    tops = info.frame.groupby("condition", sort=False)["top"].max()
    counts = ", ".join(f"{condition}: {n}" for condition, n in tops.items())
    return (
        "Points are the chosen setting's values, bars the range over the best fifth of a condition's complete "
        "searched trials (the best three where a fifth is fewer). Grey behind a bar: the length that as many values "
        "have on average when they are drawn evenly over the axis, (n - 1)/(n + 1) of it. A bar about as long as its "
        "grey says nothing of which value is best. A much shorter one says that good values lie together, or that the "
        "search tried few others. A trend that stays within the bars is not a finding. Hollow: fewer than "
        f"{MIN_TRIALS} trials, no bar. Lines join conditions of one kind of noise. The x axis is the realised rate, "
        f"known to the observer only. n = best trials, {counts}."
    )


def draw(info: Info, figure: Figure) -> None:
    axes = style.panels(figure, [setting.path for setting in info.settings])
    kinds = dict(zip(dict.fromkeys(info.frame["noise_kind"]), _KINDS * len(info.frame), strict=False))
    for setting in info.settings:
        _draw_setting(axes[setting.path], setting, info.frame[info.frame["setting"] == setting.path], kinds)
    color = style.CHOSEN.color
    handles = [Line2D([], [], color=color, linestyle=line, marker=m, label=kind) for kind, (line, m) in kinds.items()]
    bar = Patch(facecolor=color, alpha=0.4, label="range of the best trials")
    style.legend(figure, [*handles, bar, Patch(color=_BY_CHANCE, label="mean range by chance")])
    figure.supxlabel("realised noise rate (%)", fontsize=9.5)


def _draw_setting(ax: Axes, setting: Setting, rows: pd.DataFrame, kinds: dict[str, tuple[str, str]]) -> None:
    for kind, part in rows.sort_values("oracle_noise_rate").groupby("noise_kind", sort=False):
        line, marker = kinds[str(kind)]
        x, y = part["oracle_noise_rate"], style.positions(part["best"], setting)
        few = part["top"] < MIN_TRIALS
        bars = part[~few]
        low, high = style.positions(bars["low"], setting), style.positions(bars["high"], setting)
        ax.vlines(x[~few], *_by_chance(bars, setting), color=_BY_CHANCE, linewidth=12, zorder=1)
        ax.vlines(x[~few], low, high, color=style.CHOSEN.color, alpha=0.4, linewidth=6, zorder=1.1)
        ax.plot(x, y, color=style.CHOSEN.color, linestyle=line, marker=marker)
        ax.plot(x[few], y[few], color=style.CHOSEN.color, linestyle="", marker=marker, markerfacecolor="white")
    style.setting_axis(ax, "y", setting)
    style.percent(ax.xaxis)
    ax.margins(x=0.1)


def _by_chance(rows: pd.DataFrame, setting: Setting) -> tuple[Floats, Floats]:
    """Return the ends of the range expected by chance, centred on each bar as far as the axis reaches."""
    middle = (style.fractions(rows["low"], setting) + style.fractions(rows["high"], setting)) / 2
    length = rows["chance"].to_numpy(dtype=float)
    start = np.clip(middle.to_numpy(dtype=float) - length / 2, 0, 1 - length)
    return style.places(start, setting), style.places(start + length, setting)
