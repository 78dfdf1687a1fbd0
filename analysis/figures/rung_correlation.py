"""Figure: correlation of a trial's value at a rung with its final one, which shows whether pruning was safe."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials
from study.results.verdicts import MIN_TRIALS, UNSAFE_CORRELATION, rank_correlation, rung_pairs

TITLE = "Was pruning safe?"
RESAMPLES = 1000
_COLOR = "#0072B2"
_COLUMNS = ["condition", "samples", "n", "spearman", "low", "high", "kendall", "unsafe"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """One row per condition and rung: `samples` (position of the rung), `n` (complete searched trials with both
    values), `spearman`, its 95% interval `low`, `high` (bootstrap over trials; NaN below MIN_TRIALS), `kendall`,
    `unsafe`. Rungs without such trials are left out."""
    left_out: tuple[str, ...]
    """Rungs that were left out: "condition at samples"."""


def compute(trials: Trials) -> Info:
    """Compute the correlations of the study's own verdict (study/results/verdicts.py), with intervals.

    Raises NotApplicable: nothing could be pruned, or no two trials say anything.
    """
    rungs = trials.environment.get("rungs", {})
    if not any(rungs.values()):
        raise NotApplicable(
            "The study recorded no rung at which a trial could have been stopped (nor did any before rungs were kept)."
        )
    objective = trials.spec.get("objective", {})
    metric, last = objective.get("metric", "val_acc"), int(objective["reduction"].removeprefix("mean_last_"))
    frame = trials.trials
    complete = frame.loc[(frame["status"] == "complete") & (frame["baseline"] == ""), "trial"]
    epochs = trials.epochs[trials.epochs["trial"].isin(complete)]
    rows, left_out = [], []
    for condition in trials.conditions:
        curves = _curves(epochs[epochs["condition"] == condition], metric)
        for rung in rungs.get(condition, []):
            one = rank_correlation(curves, rung, metric, last)
            if not one.n:
                left_out.append(f"{condition} at {rung:,}")
                continue
            pairs = rung_pairs(curves, rung, metric, last)
            low, high = _interval(pairs) if one.n >= MIN_TRIALS else (float("nan"), float("nan"))
            rows.append((condition, rung, one.n, one.spearman, low, high, one.kendall, one.unsafe))
    found = pd.DataFrame(rows, columns=_COLUMNS)
    if found["spearman"].isna().all():
        raise NotApplicable("No condition has two complete searched trials that differ at a rung and at the end.")
    return Info(found, tuple(left_out))


def _curves(epochs: pd.DataFrame, metric: str) -> list[list[dict[str, Any]]]:
    """Return the epochs of each trial as `rank_correlation` reads them."""
    names = ("phase", "samples", metric)
    return [
        [dict(zip(names, row, strict=True)) for row in zip(*(part[name].tolist() for name in names), strict=True)]
        for _, part in epochs.groupby("trial", sort=False)
    ]


def finding(info: Info) -> str:
    """Count the rungs at which good settings were probably stopped."""
    known = info.frame.dropna(subset="low")
    return (
        f"At {int(known['unsafe'].sum())} of {len(known)} rungs with enough trials the order at the rung says too "
        "little of the order at the end."
    )


def caption(info: Info) -> str:
    n = info.frame.groupby("condition", sort=False)["n"].agg(lambda column: "/".join(map(str, column)))
    counts = ", ".join(f"{condition}: {each}" for condition, each in n.items())
    missing = ", ".join(info.left_out)
    return (
        "Spearman's rank correlation between a trial's objective at a rung and the one at its end, with its 95% "
        "bootstrap interval over trials. The end is of epochs after the rung only. Only trials that went on have both "
        "values, and those are alike at the rung, so that it is lower than it would be among all. Below the dashed "
        f"line ({UNSAFE_CORRELATION}) good settings were probably stopped there: begin later, or do not prune. Hollow: "
        f"fewer than {MIN_TRIALS} trials, no verdict. n = complete searched trials at each rung, {counts}."
        + (f" Left out, since no complete trial has an epoch after them: {missing} samples." if missing else "")
    )


def draw(info: Info, figure: Figure) -> None:
    groups = {str(name): group for name, group in info.frame.groupby("condition", sort=False)}
    lowest = min(0.0, *info.frame[["spearman", "low"]].min())
    for name, ax in style.panels(figure, list(groups), height=2.0).items():
        _draw_condition(ax, groups[name])
        ax.set_ylim(lowest - 0.08, 1.08)
    line = Line2D([], [], color=style.CHOSEN.color, linestyle=(0, (4, 2)), label="unsafe below")
    few = Line2D([], [], linestyle="", marker="o", color=_COLOR, markerfacecolor="white", label="too few trials")
    known = Line2D([], [], linestyle="", marker="o", color=_COLOR, label="Spearman's, 95% interval")
    style.legend(figure, [known, few, line])
    figure.supxlabel("rung (thousands of samples)", fontsize=9.5)
    figure.supylabel("rank correlation with the final objective", fontsize=9.5)


def _draw_condition(ax: Axes, rows: pd.DataFrame) -> None:
    x, y = rows["samples"] / 1000, rows["spearman"]
    ax.plot(x, y, color=_COLOR, linewidth=1)
    ax.vlines(x, rows["low"], rows["high"], color=_COLOR, linewidth=2, alpha=0.5)
    few = rows["n"] < MIN_TRIALS
    ax.plot(x[~few], y[~few], "o", color=_COLOR)
    ax.plot(x[few], y[few], "o", color=_COLOR, markerfacecolor="white")
    ax.axhline(UNSAFE_CORRELATION, color=style.CHOSEN.color, linewidth=1.2, linestyle=(0, (4, 2)))
    ax.axhline(0, color=style.GREY, linewidth=0.7)
    ax.set_xscale("log")
    ax.set_xticks(x, [f"{samples:,.6g}" for samples in x])
    ax.set_xticks([], minor=True)
    ax.set_xlim(x.min() / 1.3, x.max() * 1.3)


def _interval(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Bootstrap interval of Spearman's correlation; NaN if a resample has none, since all its trials are equal."""
    with warnings.catch_warnings():
        for kind in (stats.ConstantInputWarning, stats.DegenerateDataWarning):
            warnings.simplefilter("ignore", kind)
        found = stats.bootstrap(
            tuple(zip(*pairs, strict=True)),
            _spearman,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _spearman(x: Floats, y: Floats, axis: int) -> Floats:
    ranks = (stats.rankdata(values, axis=axis) for values in (x, y))
    return np.asarray(stats.pearsonr(*ranks, axis=axis).statistic)
