"""Figure: how much the result depends on the noise draw and on the training seed."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.frames.join import study_names
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.intervals import MIN_VALUES, varies
from analysis.tables.selection import confirmed_trainings

TITLE = "Which chance matters"
FIXED = ("none", "file")
"""Kinds of noise whose labels are part of the data and equal in all trainings."""
SIMULATED = 5000
"""Number of tables simulated for each candidate share of an interval, whose bounds are then accurate to about .01."""
SHARES = 1 - np.linspace(1, 0, 41) ** 2
"""Candidate shares, dense near 1, where the estimate's quantiles bend."""
_COLUMNS = ["condition", "settings", "repeats", "spread", "noise_draw", "low", "high", "seed_and_rest"]
_NOISE, _SEED = "#0072B2", "#D0D0D0"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `condition` (prefixed by its study if several were read), `settings` (number that vary), `repeats`,
    `spread` (standard deviation of the test accuracy of a setting, median over them), `noise_draw` (share of its
    variance), its 95% interval `low`, `high`, `seed_and_rest` (the other share)."""
    missing: tuple[str, ...]
    """One sentence per reason why conditions have no row, which names them."""


def compute(trials: Trials) -> Info:
    """Split the variance by the design of study/confirm/confirm.py: in repeat r all settings of a condition are trained
    on the same noise, and each training has its own seed. So the noise draw is what the settings of a repeat have in
    common, while the seed cannot be separated from the rest, such as one setting tolerating a draw better than another.

    Raises NotApplicable: no condition has two settings that vary over three repeats on fresh noise.
    """
    complete = confirmed_trainings(trials)
    if complete.empty:
        raise NotApplicable("No setting has been trained again yet, and one training each cannot tell chance apart.")
    rows: list[tuple[object, ...]] = []
    missing: dict[str, list[str]] = {}
    # Each study draws its own noise: equal repeats of two studies are unrelated.
    keys = [complete["condition"], study_names(complete["trial"]).rename("study")]
    for (condition, study), own in complete.groupby(keys, observed=True):
        name = f"{study}/{condition}" if study else str(condition)
        wide = _whole(own.pivot(index="number", columns="setting", values="oracle_test_acc"))
        values = wide.loc[:, wide.apply(varies).astype(bool)].to_numpy(dtype=float)
        if reason := _reason(own["noise_kind"].iloc[0], wide, values.shape[1]):
            missing.setdefault(reason, []).append(name)
        else:
            rows.append((name, values.shape[1], len(values), *shares(values)))
    sentences = tuple(f"{', '.join(names)}: {reason}" for reason, names in missing.items())
    if not rows:
        raise NotApplicable(" ".join(sentences))
    return Info(pd.DataFrame(rows, columns=_COLUMNS), sentences)


def _reason(noise_kind: str, wide: pd.DataFrame, varying: int) -> str:
    """Explain why this condition has no row; empty if it has one. `varying`: number of settings with unequal
    results."""
    repeats, settings = wide.shape
    if noise_kind in FIXED:
        return "its labels are given and no noise is drawn; all chance is the seed's and the rest."
    if min(repeats, settings) < 2:
        return (
            f"in {repeats} x {settings} trainings (repeats x settings) noise draw and training seed change together "
            "and are confounded."
        )
    if repeats < MIN_VALUES:
        return f"{repeats} repeats do not tell how much each setting varies; {MIN_VALUES} are needed."
    return "" if varying > 1 else f"of {settings} settings {varying} vary over {repeats} repeats; 2 are needed."


def shares(values: Array) -> tuple[float, float, float, float, float]:
    """Compute `spread`, `noise_draw`, `low`, `high`, `seed_and_rest` as in `Info` from (repeats, settings) accuracies,
    of which every setting varies, over three or more repeats.

    One setting may vary ten times as much as another (`ce` under strong noise) and would dominate the result. So each
    setting's accuracies are divided by their standard deviation; the share, the same for all settings, is then the
    intraclass correlation ICC(3,1) of Shrout and Fleiss 1979 (doi 10.1037/0033-2909.86.2.420), which is the mean
    correlation of two settings, with negative values set to 0. Their F interval would be too narrow, as it treats the
    deviations as known (with 3 to 5 repeats it holds the truth in 81 to 91 of 100 cases if the share is large). The
    bounds are the shares under which an estimate this high or this low is drawn in 2.5% of cases (`_quantiles`); for
    accuracies as skewed as those near 100%, they hold the truth in 91 to 95. On average the estimate is too low, by up
    to .11 with three repeats and .06 with five, no more than with deviations that are equal and known.
    """
    estimate = float(_mean_correlation(values[None])[0])
    lowest, highest = _quantiles(*values.shape)
    low, high = (float(np.interp(estimate, quantile, SHARES)) for quantile in (highest, lowest))
    share = max(0.0, estimate)
    return float(np.median(values.std(axis=0, ddof=1))), share, low, high, 1 - share


@cache
def _quantiles(repeats: int, settings: int) -> tuple[Array, Array]:
    """Simulate the estimate's quantiles at 2.5 and at 97.5%, each for all of SHARES, from normal accuracies. Neither
    the means nor the deviations of the settings affect it."""
    rng = np.random.default_rng(0)
    draw, rest = (rng.normal(size=(SIMULATED, repeats, n)) for n in (1, settings))
    found = [_mean_correlation(np.sqrt(share) * draw + np.sqrt(1 - share) * rest) for share in SHARES]
    lowest, highest = np.maximum.accumulate(np.quantile(found, (0.025, 0.975), axis=1), axis=1)
    return lowest, highest


def _mean_correlation(values: Array) -> Array:
    """Mean correlation (R,) over the repeats of all pairs of settings. `values`: (R, repeats, settings)."""
    centred = values - values.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
    settings = values.shape[2]
    return np.asarray((np.square(scaled.sum(axis=2)).sum(axis=1) - settings) / (settings * (settings - 1)))


def finding(info: Info) -> str:
    """Say how much of the variance the noise draw makes."""
    share = style.spanned(info.frame["noise_draw"])
    return f"The noise draw makes {share} of the variance between repeats in {len(info.frame)} conditions."


def caption(info: Info) -> str:
    n = ", ".join(f"{row['condition']}: {row['repeats']} x {row['settings']}" for _, row in info.frame.iterrows())
    return " ".join(
        [
            "Variance of the test accuracy about each setting's mean, over the confirmations, each setting measured "
            "by its own standard deviation so that all count alike. Blue: what the settings that share a noise draw "
            "have in common, with its 95% interval. The rest is the training seed and all else: each training has a "
            "seed of its own, so the two are confounded. Where blue is long, one noise draw proves little, and "
            "settings must be compared on the same draws; where it is short, more seeds on one draw do as well. An "
            "interval over most of the bar says that there are too few repeats to know. Settings that are equal in "
            "all repeats "
            f"are left out. n = repeats x settings, {n}.",
            *info.missing,
        ]
    )


def draw(info: Info, figure: Figure) -> None:
    frame, y = info.frame, range(len(info.frame))
    figure.set_size_inches(style.WIDTH, 1.4 + 0.42 * len(frame))
    ax = figure.subplots()
    ax.barh(y, frame["noise_draw"], height=0.55, color=_NOISE)
    ax.barh(y, frame["seed_and_rest"], left=frame["noise_draw"], height=0.55, color=_SEED)
    ax.hlines(y, frame["low"], frame["high"], color="black", linewidth=1.4)
    ax.plot([*frame["low"], *frame["high"]], [*y, *y], "|", color="black", ms=9, mew=1.4)
    for place, spread in zip(y, frame["spread"], strict=True):
        ax.text(1.01, place, f"±{100 * spread:.2g} points", va="center", fontsize=8.5)
    ax.set_yticks(y, frame["condition"])
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("share of the variance of test accuracy (%); right: a setting's standard deviation")
    style.percent(ax.xaxis)
    interval = Line2D([], [], color="black", marker="|", ms=9, mew=1.4, label="95% interval of its share")
    style.legend(
        figure, [Patch(color=_NOISE, label="noise draw"), Patch(color=_SEED, label="training seed and rest"), interval]
    )


def _whole(wide: pd.DataFrame) -> pd.DataFrame:
    """Drop either the repeats or the settings with a missing training: whichever leaves enough repeats, then the larger
    table."""
    tables = (wide.dropna(axis="index"), wide.dropna(axis="columns"))
    return max(tables, key=lambda table: (len(table) >= MIN_VALUES, table.size))
