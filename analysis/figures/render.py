"""Rendering of the page's figures: compute, draw and save."""

import base64
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loky

from analysis.figures import drawing, hover
from analysis.figures.catalogue import FIGURES
from analysis.frames.load import NotApplicable, Trials
from analysis.tables.study_tables import trial_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWING_PROCESSES = 2
"""Maximum number of drawing processes; drawing all figures takes twice as long as computing them."""


@dataclass(frozen=True)
class Drawn:
    """One figure as the page shows it."""

    name: str
    title: str
    caption: str
    """Explanation of the figure, with its n; or the sentence that says why there is none."""
    image: str = ""
    """Image as a data: URL; empty if there is no figure, or `svg` is it."""
    finding: str = ""
    """Sentence that says what the figure shows; empty if there is no figure."""
    svg: str = ""
    """The image as markup in which each trial is named; empty if the figure names none."""


def figure(trials: Trials, name: str) -> "Figure":
    """Draw one figure of the page (a name in FIGURES) for display in a notebook.

    Raises NotApplicable: the trials lack what it needs. Raises ValueError: there is no such figure.

    Example:
        >>> import analysis
        >>> study = analysis.load_trials(Path(analysis.__file__).with_name("example"))
        >>> len(analysis.figure(study, "best_values").axes) > 0
        True
    """
    if name not in FIGURES:
        raise ValueError(f"no figure {name!r}; allowed: {', '.join(FIGURES)}")
    return drawing.shown(FIGURES[name], FIGURES[name].compute(trials))


def draw_figures(trials: Trials, folder: Path) -> Iterator[Drawn]:
    """Draw all figures in the order of FIGURES, each saved in `folder` as PNG and SVG, its data as CSV. They are
    computed here, one after the other, and drawn by other processes meanwhile."""
    processes = min(loky.cpu_count(), DRAWING_PROCESSES)
    pool = loky.get_reusable_executor(max_workers=processes)
    folder = folder.absolute()  # a reused process has the working folder of its start
    names = list(trial_titles(trials))
    waiting: deque[Future[Drawn]] = deque()
    for name, module in FIGURES.items():
        try:
            waiting.append(pool.submit(_draw, name, module.compute(trials), folder, names))
        except NotApplicable as reason:
            waiting.append(pool.submit(_none, name, str(reason), folder))
        # Bound the queue: limits memory and keeps the progress bar even.
        if len(waiting) > 2 * processes:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _draw(name: str, info: Any, folder: Path, trials: Sequence[str]) -> Drawn:
    module = FIGURES[name]
    svg = drawing.saved(module, info, *_files(name, folder))
    finding = module.finding(info)
    markup = hover.markup(svg, name, trials, f"{module.TITLE}. {finding}")
    address = "" if markup else "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    return Drawn(name, module.TITLE, module.caption(info), address, finding, markup)


def _none(name: str, reason: str, folder: Path) -> Drawn:
    for path in _files(name, folder):
        # A figure left by an earlier report would be mistaken for this one's.
        path.unlink(missing_ok=True)
    return Drawn(name, FIGURES[name].TITLE, reason)


def _files(name: str, folder: Path) -> tuple[Path, ...]:
    return tuple(folder / f"{name}.{kind}" for kind in ("png", "svg", "csv"))
