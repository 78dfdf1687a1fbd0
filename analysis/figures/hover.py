"""Names of trials in a figure: where the pointer rests on a mark of the page, the browser shows which one it is.

A figure names its marks by `name`; once it is written as SVG, `markup` gives each of them the number of its trial. The
page holds what tells a trial from others once, and a script shows it.
"""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

UNSEEN = 0.001
"""Opacity of marks that are only there for the pointer, which finds nothing where it is 0."""
PREFIX = "trials:"
_GROUP = re.compile(rf'<g id="{PREFIX}([^"]*)">(.*?)</g>', re.DOTALL)
_POINT, _PATH = (re.compile(rf"<{tag} ([^>]*?)/>") for tag in ("use", "path"))
_HEAD = re.compile(r"^.*?(?=<svg )|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)


def name(artist: Artist, trials: Iterable[str]) -> None:
    """Name the marks of an artist by their trials, in their order: markers of a line, else lines and areas."""
    named = list(trials)
    if isinstance(artist, Line2D) and len(named) > 1:
        x, y = np.asarray(artist.get_xdata(), dtype=float), np.asarray(artist.get_ydata(), dtype=float)
        # Points without a place are not drawn.
        named = [trial for trial, *at in zip(named, x, y, strict=True) if np.isfinite(at).all()]
    artist.set_gid(PREFIX + base64.b64encode(json.dumps(named).encode()).decode())


def markup(svg: str, figure: str, trials: Sequence[str], label: str) -> str:
    """Return an SVG as part of a page, with the number of its trial for each named mark; empty if none is named.

    Args:
        svg: the file as matplotlib writes it.
        figure: name of the figure, which keeps its ids apart from those of others.
        trials: names of all trials; a number is a position in it.
        label: alternative text of the whole picture.
    """
    if PREFIX not in svg:
        return ""
    numbers = {trial: number for number, trial in enumerate(trials)}
    svg = _GROUP.sub(lambda found: _numbered(found, numbers), _HEAD.sub("", svg))
    svg = re.sub(r'\bid="', f'id="{figure}-', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{figure}-", svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    # A picture without its own size fills its place.
    head = re.sub(r' (width|height)="[^"]*"', "", svg[: svg.index(">")])
    return f'{head} role="img" aria-label="{escape(label)}"{svg[svg.index(">") :]}'


def _numbered(group: "re.Match[str]", numbers: dict[str, int]) -> str:
    trials = iter(json.loads(base64.b64decode(group[1])))

    def mark(found: "re.Match[str]") -> str:
        trial = next(trials, None)
        return found[0] if trial is None else f'{found[0][:-2]} data-trial="{numbers[trial]}"/>'

    return f"<g>{(_POINT if _POINT.search(group[2]) else _PATH).sub(mark, group[2])}</g>"
