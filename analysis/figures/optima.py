"""Figure: where the model of all trials expects the best value of each setting, along the noise."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, searched_settings
from analysis.statistics.candidates import candidates
from analysis.statistics.surrogate import TrialModel, fit_model
from analysis.tables.selection import chosen
from study.surrogate.task import Task

TITLE = "Where each setting is best, by all trials"
CANDIDATES = 256
"""Number of settings among which each draw has its best (a power of two)."""
DRAWS = 400
"""Number of posterior draws."""
RATES = 7
"""Number of noise rates between the lowest and the highest of a kind."""
QUANTILES = {"low_80": 0.1, "low_50": 0.25, "median": 0.5, "high_50": 0.75, "high_80": 0.9}
"""Quantiles of the best value over the draws: ends of the light and the dark band, and the line."""
_COLORS = ("#0072B2", "#009E73", "#CC79A7", "#8C510A", "#E69F00")


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """One row per `noise_kind`, `noise_rate` and `setting`, with the QUANTILES of its best value over the draws, as
    fractions of its axis."""
    tried: pd.DataFrame
    """Trials in the model, with `oracle_noise_rate` of their condition and `chosen` (bool)."""
    room: pd.DataFrame
    """Gain of the best candidate over the chosen setting, in accuracy on true labels; indexed by condition:
    `gain` (mean over the draws), `low`, `high` (90%)."""
    settings: tuple[Setting, ...]


def compute(trials: Trials) -> Info:
    """Draw from the posterior of the model, and take each draw's best candidate.

    Raises NotApplicable: nothing numeric was searched, or there are too few trials (see `fit_model`).
    """
    everything = searched_settings(trials.spec)
    settings = tuple(setting for setting in everything if not setting.axis.choices)
    if not settings:
        raise NotApplicable("No setting with a numeric range was searched.")
    model, best = fit_model(trials), chosen(trials)
    pool = candidates(everything, model.tried, CANDIDATES)
    kinds = list(dict.fromkeys(task.kind for task in model.tasks.values()))
    frame = pd.concat([_bands(model, kind, pool, settings) for kind in kinds], ignore_index=True)
    rates = {name: task.rate for name, task in model.tasks.items()}
    tried = model.tried.assign(
        oracle_noise_rate=model.tried["condition"].astype(object).map(rates).astype(float),
        chosen=model.tried["trial"].isin(best["trial"]),
    )
    room = {
        name: _room(model, task, pd.concat([best.loc[[name]], pool]))
        for name, task in model.tasks.items()
        if name in best.index
    }
    return Info(frame, tried, pd.DataFrame.from_dict(room, orient="index", columns=["gain", "low", "high"]), settings)


def _bands(model: TrialModel, kind: str, pool: pd.DataFrame, settings: tuple[Setting, ...]) -> pd.DataFrame:
    known = model.rates(kind)
    rates = np.unique(np.linspace(known.min(), known.max(), RATES))
    best = model.draws(pool, [Task(kind, rate, slope=1) for rate in rates], DRAWS).argmax(2)
    parts = []
    for setting in settings:
        places = style.fractions(setting.values(pool), setting).to_numpy()
        own = pd.DataFrame({name: np.quantile(places[best], q, axis=0) for name, q in QUANTILES.items()})
        parts.append(own.assign(noise_kind=kind, noise_rate=rates, setting=setting.path))
    return pd.concat(parts, ignore_index=True)


def _room(model: TrialModel, task: Task, rows: pd.DataFrame) -> tuple[float, float, float]:
    """`rows`: the chosen setting, then candidates."""
    drawn = model.draws(rows, [task], DRAWS)[:, 0]
    gain = drawn.max(1) - drawn[:, 0]
    low, high = np.quantile(gain, [0.05, 0.95])
    return float(gain.mean()), float(low), float(high)


def finding(info: Info) -> str:
    """Name the settings whose best value moves along the noise, further than their light bands are wide."""
    moving = []
    for path, own in info.frame.groupby("setting", sort=False):
        for _, rows in own.groupby("noise_kind"):
            first, last = rows.sort_values("noise_rate").iloc[[0, -1]].to_dict("records")
            if first["high_80"] < last["low_80"] or first["low_80"] > last["high_80"]:
                moving.append(str(path))
    if not moving:
        return f"None of {len(info.settings)} settings has a best value that surely moves along the noise."
    return f"Surely moving along the noise: {', '.join(dict.fromkeys(moving))} (of {len(info.settings)} settings)."


def caption(info: Info) -> str:
    room = "; ".join(
        f"{name}: {100 * row.gain:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})"
        for name, row in info.room.iterrows()
    )
    gains = f" What the best setting would gain over the chosen one, in points, with its 90% interval: {room}."
    return (
        "Line: the middle of where the best value probably lies; dark band: half of the posterior draws, light band: "
        "four fifths. They are of the model of all trials, which is more cautious here than where it chooses. A band "
        "as wide as the axis says that the value does not matter or that too little was tried. Dots: trials; stars: "
        "the chosen settings. The x axis is the realised rate, known to the observer only."
        f"{gains if room else ''} n = {len(info.tried)} trials."
    )


def draw(info: Info, figure: Figure) -> None:
    axes = style.panels(figure, [setting.path for setting in info.settings])
    colors = dict(zip(dict.fromkeys(info.frame["noise_kind"]), _COLORS * len(info.frame), strict=False))
    for setting in info.settings:
        _draw_setting(axes[setting.path], setting, info, colors)
    handles = [Patch(color=color, alpha=0.5, label=f"best value, {kind}") for kind, color in colors.items()]
    dots = Line2D([], [], linestyle="", marker="o", color=style.LIGHT, ms=4, label="trials")
    style.legend(figure, [*handles, dots, style.handle(style.CHOSEN)])
    figure.supxlabel("realised noise rate (%)", fontsize=9.5)


def _draw_setting(ax: Axes, setting: Setting, info: Info, colors: dict[str, str]) -> None:
    x, y = info.tried["oracle_noise_rate"], style.positions(setting.values(info.tried), setting)
    best = info.tried["chosen"]
    (dots,) = ax.plot(x[~best], y[~best], "o", color=style.LIGHT, ms=3, zorder=1)
    (stars,) = ax.plot(x[best], y[best], style.CHOSEN.marker, color=style.CHOSEN.color, ms=10, mec="white", zorder=3)
    hover.name(dots, info.tried.loc[~best, "trial"])
    hover.name(stars, info.tried.loc[best, "trial"])
    for kind, rows in info.frame[info.frame["setting"] == setting.path].groupby("noise_kind", sort=False):
        at = rows["noise_rate"].to_numpy()
        ends = {name: style.places(rows[name].to_numpy(), setting) for name in QUANTILES}
        if len(at) == 1:  # a lone condition of its kind
            at = at + np.array([-0.012, 0.012])
            ends = {name: np.repeat(value, 2) for name, value in ends.items()}
        for share in ("80", "50"):
            low, high = ends[f"low_{share}"], ends[f"high_{share}"]
            ax.fill_between(at, low, high, color=colors[str(kind)], alpha=0.25, linewidth=0, zorder=2)
        ax.plot(at, ends["median"], color=colors[str(kind)], zorder=2.5)
    style.setting_axis(ax, "y", setting)
    style.percent(ax.xaxis)
    ax.margins(x=0.1)
