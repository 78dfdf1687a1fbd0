"""Shared style of the figures: colours and marks of the methods, panels, axes of searched settings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.typing import RcKeyType

from analysis.frames.settings import Setting

WIDTH = 9.0
"""Width of every figure in inches: a page of text."""
GREY = "#767676"
LIGHT = "#B8B8B8"
LEAST_ERROR = 0.001
"""Smallest error rate shown on a logarithmic error axis; lower ones look like it."""
_ACCURACIES = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
STATUS = {"complete": "#0072B2", "pruned": "#56B4E9", "failed": "#D55E00", "running": LIGHT}
ZERO = -0.15
"""Position of the 0 beside a range, as a fraction of its axis."""
RC: dict[RcKeyType, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "figure.constrained_layout.h_pad": 0.08,
    "savefig.dpi": 160,
    # Names come from a study file: a dollar sign must not start a formula.
    "text.parse_math": False,
    "svg.hashsalt": "codim",
}


@dataclass(frozen=True)
class Mark:
    """Appearance of one method in every figure."""

    label: str
    color: str
    marker: str


# Okabe and Ito, "Color Universal Design" (2008); yellow is left out, it is too faint on paper.
CHOSEN = Mark("chosen by the search", "#D55E00", "*")
ROBUST = Mark("robust over the conditions", "#D55E00", "o")
SEARCH = Mark("searched", GREY, "o")
_KNOWN = {
    "ce": Mark("ce", "#000000", "s"),
    "dividemix": Mark("dividemix", "#0072B2", "D"),
    "codim-self": Mark("codim-self", "#009E73", "^"),
    "codim-sup": Mark("codim-sup", "#CC79A7", "v"),
}
_SPARE = (("#56B4E9", "P"), ("#E69F00", "X"), ("#8C510A", "p"), ("#4D4D4D", "h"))


def marks(baselines: Sequence[str]) -> dict[str, Mark]:
    """Return the mark of each baseline; known methods have the same in all studies, others take spare ones in turn."""
    others = [name for name in baselines if name not in _KNOWN]
    spare = {name: Mark(name, *_SPARE[i % len(_SPARE)]) for i, name in enumerate(others)}
    return {name: _KNOWN.get(name) or spare[name] for name in baselines}


def handle(mark: Mark, line: bool = False) -> Line2D:
    """Return a legend entry for a method: its marker, or its line."""
    if line:
        return Line2D([], [], color=mark.color, linewidth=2, label=mark.label)
    return Line2D([], [], linestyle="", color=mark.color, marker=mark.marker, markersize=size(mark), label=mark.label)


def size(mark: Mark) -> float:
    """Return the marker size in points; a star must be larger to look equal."""
    return 12 if mark.marker == "*" else 6.5


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Draw one legend above all panels, where it covers nothing."""
    columns = len(handles) if len(handles) <= 6 else math.ceil(len(handles) / 2)
    figure.legend(handles=list(handles), loc="outside upper left", ncols=columns, handletextpad=0.4, columnspacing=1.4)


def panels(figure: Figure, names: Sequence[str], height: float = 2.5, columns: int | None = None) -> dict[str, Axes]:
    """Create one titled panel per name, in rows of two or three; sets the figure's size. `height`: row height in
    inches."""
    columns = columns or (len(names) if len(names) <= 2 else 3 if len(names) % 3 == 0 else 2)
    rows = math.ceil(len(names) / columns)
    figure.set_size_inches(WIDTH, rows * height + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in grid[len(names) :]:
        spare.set_axis_off()
    for name, ax in zip(names, grid, strict=False):
        ax.set_title(name)
    return dict(zip(names, grid, strict=False))


def spanned(values: "pd.Series[float]", form: str = "{:.0%}") -> str:
    """Return the range of values as text, each in this form; one of them alone where both ends read the same."""
    known = values.dropna()
    if known.empty:
        return "unknown"
    low, high = form.format(known.min()), form.format(known.max())
    return low if low == high else f"{low} to {high}"


def percent(axis: Axis) -> None:
    """Show a share in [0, 1] in percent; the label must name the unit."""
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}"))


def error_axis(ax: Axes) -> None:
    """Make x, accuracies in [0, 1], an axis whose equal steps divide the error: that one good method has half the error
    of another is invisible on a linear axis with a bad one. Call after drawing."""
    ax.set_xscale("function", functions=(lambda x: -np.log10(np.clip(1 - x, LEAST_ERROR, None)), lambda u: 1 - 10**-u))
    # Setting the scale alone keeps the limits and margins of the linear axis.
    ax.autoscale_view()
    low, high = ax.get_xlim()
    ticks = [tick for tick in _ACCURACIES if low <= tick <= high]
    percent(ax.xaxis)
    if len(ticks) > 2:
        ax.xaxis.set_major_locator(FixedLocator(ticks))


def zero_position(setting: Setting) -> float:
    """Return the position of the 0 beside a range: a step to the left of `low`, on the axis' own scale."""
    if setting.axis.log:
        return float(setting.axis.low * (setting.axis.high / setting.axis.low) ** ZERO)
    return setting.axis.low + ZERO * (setting.axis.high - setting.axis.low)


def positions(values: "pd.Series[float]", setting: Setting) -> "pd.Series[float]":
    """Return the positions of values on a setting's axis: choices by index, a 0 beside the range at its own place."""
    if setting.axis.choices:
        return values.map({choice: i for i, choice in enumerate(setting.axis.choices)}).astype(float)
    return values.mask(values.eq(0), zero_position(setting)) if setting.axis.zero else values


def fractions(values: "pd.Series[Any]", setting: Setting) -> "pd.Series[float]":
    """Return values as fractions of this setting's axis, on its own scale: 0 at `low` or the first choice, 1 at `high`
    or the last, a 0 beside the range at `ZERO`."""
    place = positions(values, setting)
    if setting.axis.choices:
        return place / (len(setting.axis.choices) - 1)
    if setting.axis.log:
        return place.div(setting.axis.low).apply(np.log) / math.log(setting.axis.high / setting.axis.low)
    return (place - setting.axis.low) / (setting.axis.high - setting.axis.low)


def places(fractions: npt.NDArray[np.float64], setting: Setting) -> npt.NDArray[np.float64]:
    """Convert `fractions` of this setting's axis back to `positions`."""
    if setting.axis.choices:
        return fractions * (len(setting.axis.choices) - 1)
    if setting.axis.log:
        return setting.axis.low * (setting.axis.high / setting.axis.low) ** fractions
    return setting.axis.low + fractions * (setting.axis.high - setting.axis.low)


def setting_axis(ax: Axes, side: Literal["x", "y"], setting: Setting) -> None:
    """Set scale, limits and ticks for one searched setting."""
    axis = ax.xaxis if side == "x" else ax.yaxis
    if setting.axis.choices:
        axis.set_major_locator(FixedLocator(list(range(len(setting.axis.choices)))))
        axis.set_major_formatter(FixedFormatter(list(map(str, setting.axis.choices))))
        ax.set(**{f"{side}lim": (-0.5, len(setting.axis.choices) - 0.5)})
        return
    ticks = _log_ticks(setting.axis.low, setting.axis.high) if setting.axis.log else _linear_ticks(setting)
    zero = [zero_position(setting)] if setting.axis.zero else []
    ax.set(**{f"{side}scale": "log" if setting.axis.log else "linear"})
    ax.set(**{f"{side}lim": _margin(min([*zero, setting.axis.low]), setting.axis.high, setting.axis.log)})
    axis.set_major_locator(FixedLocator([*zero, *ticks]))
    axis.set_major_formatter(FixedFormatter([*("0" for _ in zero), *(f"{t:g}" for t in ticks)]))
    axis.set_minor_locator(NullLocator())


def _margin(low: float, high: float, log: bool) -> tuple[float, float]:
    if log:
        step = (high / low) ** 0.06
        return low / step, high * step
    step = 0.06 * (high - low)
    return low - step, high + step


def _linear_ticks(setting: Setting) -> list[float]:
    ticks = MaxNLocator(4, integer=setting.axis.whole).tick_values(setting.axis.low, setting.axis.high)
    return [float(t) for t in ticks if setting.axis.low <= t <= setting.axis.high]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if high / low > 200 else (1, 3) if high / low > 15 else (1, 2, 5)
    ticks = [factor * 10.0**decade for decade in decades for factor in factors]
    return [float(f"{t:g}") for t in ticks if low * 0.999 <= t <= high * 1.001]
