"""Figure: every trial as a line through its settings, per condition."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, searched_settings
from analysis.tables.selection import best_fifth, chosen, ranking

TITLE = "Settings together"
ROW_INCHES = 1.6
_BEST = Line2D([], [], color=style.STATUS["complete"], linewidth=1.2, label="best fifth")
_OTHERS = Line2D([], [], color=style.LIGHT, linewidth=1.2, label="other finished trials")


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `trial`, `status` (complete or pruned), `best` (among the best fifth), `chosen`, `objective`
    (NaN if ruled out), then one column per searched setting, named by its path."""
    settings: tuple[Setting, ...]


def compute(trials: Trials) -> Info:
    """Collect the trials. Raises NotApplicable: fewer than two settings searched, or no searched trial complete."""
    settings = searched_settings(trials.spec)
    if len(settings) < 2:
        raise NotApplicable("Lines need two searched settings.")
    if trials.searched.empty:
        raise NotApplicable("No searched trial is complete yet.")
    rows = ranking(trials)
    best = pd.concat([best_fifth(pool) for _, pool in trials.searched.groupby("condition", observed=True)])
    frame = rows[["condition", "trial", "status"]].assign(
        best=rows["trial"].isin(best["trial"]),
        chosen=rows["trial"].isin(chosen(trials)["trial"]),
        objective=rows["objective"].mask(rows["ruled_out"]),
        **{setting.path: setting.values(rows) for setting in settings},
    )
    return Info(frame.reset_index(drop=True), settings)


def finding(info: Info) -> str:
    """Name the setting in which the best fifth lies closest together."""
    widths = {}
    best = info.frame[info.frame["best"]]
    for setting in info.settings:
        places = style.fractions(best[setting.path], setting)
        spreads = places.groupby(best["condition"], observed=True).agg(lambda own: own.max() - own.min())
        widths[setting.path] = spreads.mean()
    known = pd.Series(widths, dtype=float).dropna()
    if known.empty:
        return f"No setting is known of the best fifth of {len(info.frame)} trials."
    return (
        f"The best fifth lies closest together in {known.idxmin()}: within {known.min():.0%} of its axis, the mean of "
        "the conditions."
    )


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", observed=True)["best"].agg(["sum", "size"])
    counts = ", ".join(f"{condition}: {int(row['sum'])} of {int(row['size'])}" for condition, row in n.iterrows())
    return (
        "A line is a searched trial; each axis has its setting's own scale, low at the bottom, and a 0 beside a range "
        "stands below it. Where the best fifth (the best three where a fifth is fewer) passes an axis in a bundle, "
        "the setting has a good value. Where it fans out, the setting does not matter by itself. A bundle that moves "
        "from panel to panel depends on the noise. Lines of pruned trials end before the objective, and a trial "
        f"without a setting has a gap there. n = best of finished searched trials, {counts}."
    )


def draw(info: Info, figure: Figure) -> None:
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    # One below the other, so that the axes align.
    axes = style.panels(figure, list(groups), columns=1)
    figure.set_size_inches(style.WIDTH, ROW_INCHES * len(groups) + 1.3)
    for name, ax in axes.items():
        _draw_condition(ax, groups[name], info.settings)
    names = [s.path.replace("/", "/\n") + ("\n(log)" if s.axis.log else "") for s in info.settings]
    look: dict[str, Any] = {"rotation": 20, "ha": "right"} if len(names) > 6 else {}
    list(axes.values())[-1].set_xticks(range(len(names) + 1), [*names, "objective\n(%)"], **look)
    style.legend(figure, [style.handle(style.CHOSEN, line=True), _BEST, _OTHERS])


def _draw_condition(ax: Axes, rows: pd.DataFrame, settings: tuple[Setting, ...]) -> None:
    low, high = rows["objective"].min(), rows["objective"].max()
    heights = [style.fractions(rows[setting.path], setting) for setting in settings]
    # One objective alone is the best of all.
    worth = (rows["objective"] - low) / (high - low) if low < high else rows["objective"] - low + 1
    lines = np.column_stack([*heights, worth])
    # Trials separated by NaN form a single line: a fifth of the file size.
    lines = np.column_stack([lines, np.full(len(lines), np.nan)])
    x = [*range(len(settings) + 1), np.nan]
    for part, color, width in (
        (~rows["best"], style.LIGHT, 0.7),
        (rows["best"], _BEST.get_color(), 1),
        (rows["chosen"], style.CHOSEN.color, 2.2),
    ):
        ax.plot(np.tile(x, int(part.sum())), lines[part].ravel(), color=color, linewidth=width)
    # What can be pointed at: each trial's own line, unseen.
    paths = [np.column_stack([x[:-1], line]) for line in lines[:, :-1]]
    over = LineCollection([path[np.isfinite(path[:, 1])] for path in paths], linewidths=3, alpha=hover.UNSEEN, zorder=4)
    hover.name(ax.add_collection(over, autolim=False), rows["trial"])
    for i, setting in enumerate(settings):
        for height, label in _labels(setting):
            _write(ax, i, height, label)
    for height, value in {0: low, 1: high}.items() if low < high else [(1, low)]:
        _write(ax, len(settings), height, "" if np.isnan(value) else f"{100 * value:.3g}")
    ends = [style.ZERO if setting.axis.zero else 0 for setting in settings]
    ax.vlines(range(len(settings) + 1), [*ends, 0], 1, color=style.GREY, linewidth=1)
    ax.set_xticks(range(len(settings) + 1), [""] * (len(settings) + 1))
    ax.set(xlim=(-0.1, len(settings) + 0.3), ylim=(style.ZERO - 0.1, 1.1), yticks=[])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.grid(visible=False)


def _labels(setting: Setting) -> list[tuple[float, str]]:
    if setting.axis.choices:
        return [(i / (len(setting.axis.choices) - 1), str(choice)) for i, choice in enumerate(setting.axis.choices)]
    ends = [(0.0, f"{setting.axis.low:g}"), (1.0, f"{setting.axis.high:g}")]
    return [(style.ZERO, "0"), *ends] if setting.axis.zero else ends


def _write(ax: Axes, x: float, y: float, text: str) -> None:
    paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
    ax.text(x + 0.03, y, text, fontsize=8, va="center", bbox=paper)
