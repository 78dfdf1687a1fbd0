"""Figure: when each trial ran, and how it ended."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials

TITLE = "Timeline"
BINS = 300
GAP = 0.12
"""Gap between two lanes, in lanes."""


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """Columns `trial`, `condition`, `status`, `start`, `end` (hours since the first trial started), `lane`; sorted by
    `start`."""
    under_way: pd.DataFrame
    """Columns `hours` (end of each of `BINS` equal spans), `trials` (mean number running in it)."""
    idle: float
    """Share of lanes x hours without a trial."""
    left_out: int
    """Number of trials that never started."""


def compute(trials: Trials) -> Info:
    """Assign trials to lanes. A trial takes the lowest lane that is free when it starts, so there are as many lanes as
    trials ever ran at a time. A running trial ends at the last time in the tables.

    Raises NotApplicable: no trial has started yet.
    """
    frame = trials.trials
    frame = frame[frame["started"].notna()].sort_values(["started", "trial"], ignore_index=True)
    if frame.empty:
        raise NotApplicable("No trial has started yet.")
    trained = frame["started"] + pd.to_timedelta(frame["seconds"], unit="s")
    first, now = frame["started"].min(), max(trained.max(), frame["ended"].fillna(trained).max())
    table = frame[["trial", "condition", "status"]].assign(
        start=(frame["started"] - first) / pd.Timedelta(hours=1),
        end=(frame["ended"].fillna(now) - first) / pd.Timedelta(hours=1),
    )
    table["lane"] = _lanes(list(zip(table["start"], table["end"], strict=True)))
    whole = (table["lane"].max() + 1) * table["end"].max()
    idle = 1 - (table["end"] - table["start"]).sum() / whole if whole else 0.0
    return Info(table, _under_way(table), float(idle), len(trials.trials) - len(frame))


def finding(info: Info) -> str:
    """Say how long the study took, and how much of that was idle."""
    failed = int((info.frame["status"] == "failed").sum())
    return (
        f"The study took {info.frame['end'].max():.2g} h on {info.frame['lane'].nunique()} places, {info.idle:.0%} of "
        f"that idle; failed trials: {failed}."
    )


def caption(info: Info) -> str:
    counts = ", ".join(f"{n} {status}" for status, n in info.frame["status"].value_counts().items())
    return (
        "A bar is a trial, from its first start to its end, breaks in between included, a cross a failure. Rows are "
        "places for trials at a time, not machines. White is idle time, a bar far longer than the others a straggler. "
        "At the end of the study all places but its own wait for it. Above: trials under way, on average. Idle: "
        f"{info.idle:.0%} of places x time. n = {len(info.frame)} trials ({counts})"
        + (f"; {info.left_out} never started" if info.left_out else "")
        + "."
    )


def draw(info: Info, figure: Figure) -> None:
    lanes = int(info.frame["lane"].max()) + 1
    figure.set_size_inches(style.WIDTH, 2.6 + min(0.22 * lanes, 5.0))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, max(0.22 * min(lanes, 22), 0.6)])
    unit, hours = ("hours", 1.0) if info.frame["end"].max() > 2 else ("minutes", 60.0)
    above.stairs(info.under_way["trials"], [0, *info.under_way["hours"] * hours], fill=True, color=style.LIGHT)
    above.set_ylim(0, lanes * 1.08)
    above.set_ylabel("under way")
    above.set_yticks([0, lanes])
    for status, color in style.STATUS.items():
        part = info.frame[info.frame["status"] == status]
        bars = [
            [(start, lane + GAP), (start, lane + 1 - GAP), (end, lane + 1 - GAP), (end, lane + GAP)]
            for start, end, lane in zip(part["start"] * hours, part["end"] * hours, part["lane"], strict=True)
        ]
        # The white edge separates short trials; rasterising a thousand bars keeps the page small.
        below.add_collection(PolyCollection(bars, facecolor=color, edgecolor="white", linewidth=0.4, rasterized=True))
        over = PolyCollection(bars, alpha=hover.UNSEEN, zorder=4)
        hover.name(below.add_collection(over, autolim=False), part["trial"])
    failed = info.frame[info.frame["status"] == "failed"]
    below.plot(failed["end"] * hours, failed["lane"] + 0.5, "x", color="black", markersize=5, clip_on=False)
    below.set(xlim=(0, info.frame["end"].max() * hours or 1), ylim=(lanes, 0), yticks=[])
    below.set(xlabel=f"time since the first trial started ({unit})", ylabel="places")
    below.grid(visible=False)
    shown = set(info.frame["status"])
    patches = [Patch(color=color, label=status) for status, color in style.STATUS.items() if status in shown]
    style.legend(figure, patches)


def _lanes(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Return the lane of each span (start, end), sorted by start."""
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    lanes = []
    for start, end in spans:
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (end, lane))
        lanes.append(lane)
    return lanes


def _under_way(table: pd.DataFrame) -> pd.DataFrame:
    """Average the number of running trials over bins; a thousand single steps would be a grey band."""
    edges = np.linspace(0, table["end"].max(), BINS + 1)
    starts, ends = table["start"].to_numpy()[:, None], table["end"].to_numpy()[:, None]
    spent = np.clip(edges, starts, ends).sum(axis=0)
    return pd.DataFrame({"hours": edges[1:], "trials": np.diff(spent) / (edges[1] or 1)})
