"""A figure from what was computed for it: for a notebook, or as files."""

import base64
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.tables import escape


class _NotebookFigure(Figure):
    """Shown where it stands last in a cell, whatever matplotlib's backend is."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png")
        return image.getvalue()


def shown(module: ModuleType, info: Any) -> Figure:
    """The figure that `module` draws of `info`, as a notebook shows it."""
    with matplotlib.rc_context(style.RC):
        figure = _NotebookFigure(layout="constrained")
        module.draw(info, figure)
        # Ticks are made by the first drawing, which must still find this style.
        figure.draw_without_rendering()
    return figure


def saved(module: ModuleType, info: Any, png: Path, svg: Path, csv: Path) -> str:
    """Write this figure as PNG and SVG, its data as CSV; return the SVG as a data: address."""
    with matplotlib.rc_context(style.RC):
        figure = Figure(layout="constrained", dpi=matplotlib.rcParams["savefig.dpi"])
        module.draw(info, figure)
        # Not by `savefig`, which draws each picture twice. The layout is solved once, for both.
        FigureCanvasAgg(figure).print_png(png)
        figure.set_layout_engine("none")
        image = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(image, metadata={"Date": None})
    svg.write_bytes(image.getvalue())
    csv.write_text(escape.csv(info.frame), encoding="utf-8")
    return "data:image/svg+xml;base64," + base64.b64encode(image.getvalue()).decode()
