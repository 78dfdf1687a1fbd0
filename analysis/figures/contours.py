"""Figure: rank of the trials over pairs of the most important settings, per condition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, searched_settings
from analysis.statistics.importance import importance_table
from analysis.tables.selection import chosen, ranking

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

TITLE = "Pairs of settings"
PAIRS = 2
"""Number of pairs: the most important setting with each of the next ones; more panels per row would be unreadable."""
TREES = 50
CELLS = 16
OTHERS = 40
"""Minimum number of trials over whose other settings a surface is averaged; more would be slower, not smoother."""
ROW_INCHES = 1.75
_COLORS = "cividis"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition`, `trial`, `status`, `chosen`, `rank` (see `analysis.tables.selection.ranking`), then the
    settings shown."""
    pairs: tuple[tuple[Setting, Setting], ...]
    """Pairs of settings: along x, along y."""
    surfaces: dict[tuple[str, int], Array]
    """Condition and pair -> expected rank, (cells along y, cells along x); NaN between a 0 and its range."""
    explained: dict[str, float]
    """Condition -> share of the ranks' variance that its model explains out of bag."""
    missing: tuple[str, ...]
    """One sentence for each condition that has too few trials."""


def compute(trials: Trials) -> Info:
    """Fit extra trees (Geurts et al. 2006) to all searched settings, and compute their partial dependence (Friedman
    2001) as surfaces; trees, since the step from 0 to a range need not be smooth.

    Raises NotApplicable: no condition has enough trials, or fewer than two settings were searched.
    """
    from sklearn.ensemble import ExtraTreesRegressor  # slow to import, and no process that only draws needs it

    tables, missing = {}, []
    for condition in trials.conditions:
        try:
            tables[condition] = importance_table(trials, condition, checks=False)
        except NotApplicable as reason:
            missing.append(str(reason))
    if not tables:
        raise NotApplicable(" ".join(dict.fromkeys(missing)) or "There is no condition yet.")
    means = pd.concat(tables.values()).groupby("setting")["importance"].mean()
    # A setting that no trial has, since its `when` was never met, has no importance.
    settings = [setting for setting in searched_settings(trials.spec) if setting.path in means]
    if len(settings) < 2:
        raise NotApplicable("A pair needs two searched settings.")
    settings.sort(key=lambda setting: -means[setting.path])
    pairs = tuple((settings[0], other) for other in settings[1 : 1 + PAIRS])
    rows = ranking(trials)
    surfaces, explained = {}, {}
    for condition in tables:
        own = rows[rows["condition"] == condition]
        known = np.column_stack([style.fractions(setting.values(own), setting) for setting in settings])
        model = ExtraTreesRegressor(TREES, min_samples_leaf=3, bootstrap=True, oob_score=True, random_state=0)
        model.fit(known, own["rank"])
        explained[condition] = float(model.oob_score_)
        for i, pair in enumerate(pairs):
            surfaces[condition, i] = surface(model, known, pair, settings)
    rows = rows[rows["condition"].isin(list(explained))]
    frame = rows[["condition", "trial", "status"]].assign(
        chosen=rows["trial"].isin(chosen(trials)["trial"]),
        rank=rows["rank"],
        **{setting.path: setting.values(rows) for setting in settings[: 1 + PAIRS]},
    )
    return Info(frame.reset_index(drop=True), pairs, surfaces, explained, tuple(missing))


def finding(info: Info) -> str:
    """Say which pair is shown first, and how much the surfaces explain."""
    explained = style.spanned(pd.Series(info.explained).clip(lower=0))
    x, y = info.pairs[0]
    return (
        f"With {x.path} and {y.path} first, the settings together explain {explained} of "
        "the ranks' variance in a condition."
    )


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", observed=True).size()
    counts = ", ".join(f"{condition}: {count}" for condition, count in n.items())
    return " ".join(
        [
            "Where good trials lie, for the setting with the largest mean importance and the next two. A point is a "
            "searched trial, its colour the share of its condition's other trials that it is ahead of; pruned ones "
            "rank last. The surface is what extra trees, fitted to these ranks over all searched settings, expect on "
            "average over the other settings. A slanted ridge means that the two must be set together. In the title: "
            "the share of the ranks' variance that the trees explain for trials they were not fitted to; near 0, the "
            "surface means nothing. Ranks say who is ahead, not by how much. A 0 beside a range stands apart. n = "
            f"finished searched trials, {counts}.",
            *info.missing,
        ]
    )


def draw(info: Info, figure: Figure) -> None:
    groups = {str(name): group for name, group in info.frame.groupby("condition", observed=True)}
    figure.set_size_inches(style.WIDTH, ROW_INCHES * len(groups) + 1.4)
    grid = figure.subplots(len(groups), len(info.pairs), sharex=True, squeeze=False)
    for line, (name, rows) in zip(grid, groups.items(), strict=True):
        for i, (ax, pair) in enumerate(zip(line, info.pairs, strict=True)):
            _draw_pair(ax, pair, rows, info.surfaces[name, i])
        line[0].set_title(f"{name} (n = {len(rows)}, explains {max(info.explained[name], 0):.0%})")
    for ax in grid[-1]:
        ax.set_xlabel(info.pairs[0][0].path)
    colors = ScalarMappable(cmap=_COLORS)
    colors.set_clim(0, 1)
    bar = figure.colorbar(colors, ax=grid, location="top", aspect=60, pad=0.14 / len(groups))
    bar.set_label("rank: share of the condition's other trials that a trial is ahead of (%)")
    style.percent(bar.ax.xaxis)
    style.legend(figure, [style.handle(style.CHOSEN)])


def _draw_pair(ax: Axes, pair: tuple[Setting, Setting], rows: pd.DataFrame, expected: Array) -> None:
    x, y = pair
    look: dict[str, Any] = {"cmap": _COLORS, "vmin": 0, "vmax": 1, "rasterized": True}
    style.setting_axis(ax, "x", x)
    style.setting_axis(ax, "y", y)
    ax.pcolormesh(style.places(_edges(x), x), style.places(_edges(y), y), expected, **look)
    # Without smoothed edges the image of the points is a third as large.
    look["antialiased"] = False
    at = pd.DataFrame({"x": style.positions(rows[x.path], x), "y": style.positions(rows[y.path], y)})
    ax.scatter(at["x"], at["y"], c=rows["rank"], s=17, edgecolors="black", linewidths=0.4, **look)
    best = at[rows["chosen"]]
    ax.plot(
        best["x"], best["y"], style.CHOSEN.marker, color=style.CHOSEN.color, ms=style.size(style.CHOSEN), mec="white"
    )
    ax.set_ylabel(y.path.replace("/", "/\n"))
    ax.grid(visible=False)


def surface(
    model: "ExtraTreesRegressor", known: Array, pair: tuple[Setting, Setting], settings: Sequence[Setting]
) -> Array:
    """Return the mean prediction over the trials (rows of `known`: their settings as fractions) at the centre of each
    cell of a pair; (cells along y, cells along x)."""
    x, y = (_middles(setting) for setting in pair)
    ys, xs = (axis.ravel() for axis in np.meshgrid(y, x, indexing="ij"))
    some = known[:: max(len(known) // OTHERS, 1)]
    points = np.repeat(some[None], len(xs), axis=0)
    points[:, :, settings.index(pair[0])] = xs[:, None]
    points[:, :, settings.index(pair[1])] = ys[:, None]
    expected: Array = model.predict(points.reshape(-1, known.shape[1])).reshape(len(y), len(x), -1).mean(axis=2)
    expected[np.isnan(y)] = np.nan
    expected[:, np.isnan(x)] = np.nan
    return expected


def _edges(setting: Setting) -> Array:
    """Return a surface's cell edges along a setting, as fractions of its axis: one cell per choice, one around the
    0."""
    if setting.axis.choices:
        return (np.arange(len(setting.axis.choices) + 1) - 0.5) / (len(setting.axis.choices) - 1)
    zero = [style.ZERO - 0.05, style.ZERO + 0.05] if setting.axis.zero else []
    return np.concatenate([zero, np.linspace(0, 1, CELLS + 1)])


def _middles(setting: Setting) -> Array:
    """Return the cell centres along a setting; NaN for the cell between the 0 and the range."""
    edges = _edges(setting)
    middles = (edges[1:] + edges[:-1]) / 2
    if setting.axis.zero:
        middles[1] = np.nan
    return middles
