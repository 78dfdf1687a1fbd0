"""Which chance the result depends on: the draw of the noise, or the seed of the training."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from analysis.load import NotApplicable, Trials
from analysis.plots import style

TITLE = "Which chance matters"
FIXED = ("none", "file")
"""Kinds of noise whose labels the data bring: every training has the same."""
NAN = float("nan")
_COLUMNS = ["condition", "settings", "repeats", "spread", "noise_draw", "low", "high", "seed_and_rest"]
_NOISE, _SEED = "#0072B2", "#D0D0D0"


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """`condition`, `settings`, `repeats`, `spread` (standard deviation of the test accuracy about its setting's mean),
    `noise_draw` (share of that variance), its 95% interval `low`, `high`, `seed_and_rest` (the other share)."""
    missing: tuple[str, ...]
    """A sentence for each condition that has no row."""


def compute(trials: Trials) -> Info:
    """The design of study/confirm.py: in repeat r all settings of a condition are trained on the same noise, and each
    training has a seed of its own. So the noise draw is what the settings of a repeat have in common, while the seed
    cannot be told from what is left, such as that one setting bears a draw better than another does.

    NotApplicable: no condition has two settings with two repeats each on fresh noise.
    """
    frame = trials.confirmations
    complete = frame[(frame["status"] == "complete") & frame["oracle_test_acc"].notna()]
    if complete.empty:
        raise NotApplicable("No setting has been trained again yet, and one training each cannot tell chance apart.")
    rows, missing = [], []
    for condition, own in complete.groupby("condition", observed=True):
        wide = _whole(own.pivot(index="number", columns="setting", values="oracle_test_acc"))
        if own["noise_kind"].iloc[0] in FIXED:
            missing.append(
                f"{condition}: its labels are given and no noise is drawn; all chance is the seed's and the rest."
            )
        elif min(wide.shape) < 2:
            missing.append(
                f"{condition}: in {wide.shape[0]} x {wide.shape[1]} trainings (repeats x settings) noise draw and "
                "training seed change together and are confounded."
            )
        else:
            rows.append((condition, wide.shape[1], wide.shape[0], *shares(wide.to_numpy(dtype=float))))
    if not rows:
        raise NotApplicable(" ".join(missing))
    return Info(pd.DataFrame(rows, columns=_COLUMNS), tuple(missing))


def shares(values: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> tuple[float, float, float, float, float]:
    """Of (repeats, settings) accuracies: `spread`, `noise_draw`, `low`, `high`, `seed_and_rest` as in `Info`.

    Two-way analysis of variance, repeats random and settings fixed; the share is the intraclass correlation ICC(3,1) of
    Shrout and Fleiss 1979 (doi 10.1037/0033-2909.86.2.420) with its interval, a negative estimate counted as 0. All NaN
    but the spread where nothing varies.
    """
    n, k = values.shape
    by_repeat = values.mean(1, keepdims=True)
    rest = values - by_repeat - values.mean(0) + values.mean()
    between = k * float(np.square(by_repeat - values.mean()).sum()) / (n - 1)
    within = float(np.square(rest).sum()) / ((n - 1) * (k - 1))
    if between + within <= np.finfo(float).eps:
        return 0.0, NAN, NAN, NAN, NAN
    ratio = between / within if within else float("inf")
    degrees = (n - 1, (n - 1) * (k - 1))
    limits = [ratio / float(stats.f.ppf(q, *degrees)) for q in (0.975, 0.025)]
    share, low, high = (max(0.0, (f - 1) / (f + k - 1)) if np.isfinite(f) else 1.0 for f in (ratio, *limits))
    spread = float(np.sqrt(max(0.0, between - within) / k + within))
    return spread, share, low, high, 1 - share


def caption(info: Info) -> str:
    n = ", ".join(f"{row['condition']}: {row['repeats']} x {row['settings']}" for _, row in info.frame.iterrows())
    return " ".join(
        [
            "Variance of the test accuracy about each setting's mean, over the confirmations. Blue: what the settings "
            "that share a noise draw have in common, with its 95% interval; the rest is the training seed and all else "
            "(each training has a seed of its own, so the two are confounded). Where blue is long, one noise draw "
            "proves little, and settings must be compared on the same draws; where it is short, more seeds on one draw "
            "do as well. An interval over most of the bar says that there are too few repeats to know. "
            f"n = repeats x settings, {n}.",
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
    ax.set_xlabel("share of the variance of test accuracy (%); right: its standard deviation")
    style.percent(ax.xaxis)
    interval = Line2D([], [], color="black", marker="|", ms=9, mew=1.4, label="95% interval of its share")
    style.legend(
        figure, [Patch(color=_NOISE, label="noise draw"), Patch(color=_SEED, label="training seed and rest"), interval]
    )


def _whole(wide: pd.DataFrame) -> pd.DataFrame:
    """The larger of two tables without a gap: without the repeats in which a training is missing, or without the
    settings that miss one."""
    return max((wide.dropna(axis="index"), wide.dropna(axis="columns")), key=lambda table: table.size)
