"""Analysis of a study: trials as data frames, figures, a page, and advice for data of your own.

In a notebook:

    import analysis

    study = analysis.load_trials("results/digits")
    analysis.figure(study, "best_values")
    analysis.report(study)  # the page
    analysis.recommend(study, 0.3).config  # settings for 30 % wrong labels
"""

from typing import TYPE_CHECKING

from codim.lazy import lazily

if TYPE_CHECKING:
    from analysis.advice.recommend import recommend
    from analysis.figures.render import figure
    from analysis.frames.load import load_trials
    from analysis.page.report import report

__all__ = ["figure", "load_trials", "recommend", "report"]
__getattr__ = lazily(
    __name__,
    figure="figures.render",
    load_trials="frames.load",
    recommend="advice.recommend",
    report="page.report",
)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
