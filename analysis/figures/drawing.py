"""Rendering of a computed figure, for a notebook or as files."""

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

COMPRESSION = 1
"""Level of the PNG files: a higher one takes longer than the drawing, for little."""


class _NotebookFigure(Figure):
    """Figure that a notebook cell displays, whatever matplotlib's backend is."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png")
        return image.getvalue()


def shown(module: ModuleType, info: Any) -> Figure:
    """Draw the figure of `module` from `info`, for display in a notebook."""
    with matplotlib.rc_context(style.RC):
        figure = _NotebookFigure(layout="constrained")
        module.draw(info, figure)
        # Ticks are created by the first drawing, which must happen within this style.
        figure.draw_without_rendering()
    return figure


def saved(module: ModuleType, info: Any, png: Path, svg: Path, csv: Path) -> str:
    """Write the figure as PNG and SVG, its data as CSV; return the SVG."""
    with matplotlib.rc_context(style.RC):
        figure = Figure(layout="constrained", dpi=matplotlib.rcParams["savefig.dpi"])
        module.draw(info, figure)
        # Not by `savefig`, which draws everything twice. The layout is solved once for both files.
        FigureCanvasAgg(figure).print_png(png, pil_kwargs={"compress_level": COMPRESSION})
        figure.set_layout_engine("none")
        image = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(image, metadata={"Date": None})
    svg.write_bytes(image.getvalue())
    csv.write_text(escape.csv(info.frame), encoding="utf-8")
    return image.getvalue().decode()
