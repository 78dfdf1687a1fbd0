"""Analysis of a study: trials as data frames, figures and a page.

In a notebook:

    from analysis import figure, load_trials

    study = load_trials("results/digits")
    figure(study, "best_values")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.figures.render import figure
    from analysis.frames.load import load_trials

__all__ = ["figure", "load_trials"]
_HOMES = {"figure": "analysis.figures.render", "load_trials": "analysis.frames.load"}


def __getattr__(name: str) -> Any:
    # Imported on first use: --help need not wait for pandas and matplotlib.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
