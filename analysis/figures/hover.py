"""Names of trials in a figure: where the pointer rests on a point of the page, the browser shows which one it is.

A figure names the points of a line by `name`; once it is written as SVG, `markup` gives each of them its title.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from html import escape

import numpy as np
from matplotlib.lines import Line2D

PREFIX = "trials:"
_GROUP = re.compile(rf'<g id="{PREFIX}([^"]*)">(.*?)</g>', re.DOTALL)
_POINT = re.compile(r"<use ([^>]*?)/>")
_HEAD = re.compile(r"^.*?(?=<svg )|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)


def name(line: Line2D, trials: Iterable[str]) -> None:
    """Name the markers of a line by their trials, in the order of its points."""
    x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
    # Points without a place are not drawn.
    named = [trial for trial, *at in zip(trials, x, y, strict=True) if np.isfinite(at).all()]
    line.set_gid(PREFIX + base64.b64encode(json.dumps(named).encode()).decode())


def markup(svg: str, figure: str, titles: Mapping[str, str], label: str) -> str:
    """Return an SVG as part of a page, with a title for each named point; empty if none is named.

    Args:
        svg: the file as matplotlib writes it.
        figure: name of the figure, which keeps its ids apart from those of others.
        titles: text of each trial.
        label: alternative text of the whole picture.
    """
    if PREFIX not in svg:
        return ""
    svg = _GROUP.sub(lambda found: _titled(found, titles), _HEAD.sub("", svg))
    svg = re.sub(r'\bid="', f'id="{figure}-', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{figure}-", svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    # A picture without its own size fills its place.
    head = re.sub(r' (width|height)="[^"]*"', "", svg[: svg.index(">")])
    return f'{head} role="img" aria-label="{escape(label)}"{svg[svg.index(">") :]}'


def _titled(group: "re.Match[str]", titles: Mapping[str, str]) -> str:
    trials = iter(json.loads(base64.b64decode(group[1])))

    def point(found: "re.Match[str]") -> str:
        trial = next(trials, None)
        return found[0] if trial is None else f"<use {found[1]}><title>{escape(titles.get(trial, trial))}</title></use>"

    return f"<g>{_POINT.sub(point, group[2])}</g>"
