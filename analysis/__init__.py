"""Analysis of a study: trials as data frames, figures and a page.

In a notebook:

    from analysis import figure, load_trials

    study = load_trials("results/digits")
    figure(study, "best_values")
"""

from typing import TYPE_CHECKING

from codim.lazy import lazily

if TYPE_CHECKING:
    from analysis.figures.render import figure
    from analysis.frames.load import load_trials

__all__ = ["figure", "load_trials"]
__getattr__ = lazily(__name__, figure="figures.render", load_trials="frames.load")
