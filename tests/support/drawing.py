"""Figures drawn as in a report."""

from types import ModuleType
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from analysis.figures import style


def drawn(module: ModuleType, info: Any) -> Figure:
    """By `module.draw`, rendered."""
    with matplotlib.rc_context(style.RC):
        figure = Figure(layout="constrained")
        module.draw(info, figure)
        figure.draw_without_rendering()
    return figure
