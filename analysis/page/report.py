"""Report as one self-contained page: sentences, tables, figures. Opening it loads nothing else."""

import base64
import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.progress import track

from analysis.figures.catalogue import FIGURES
from analysis.figures.render import Drawn, draw_figures
from analysis.frames.load import Trials
from analysis.page import page_tables as present
from analysis.page import sentences as summary
from analysis.page.examples import grids
from analysis.page.headline import headline
from analysis.page.questions import FIRST_SCREEN, questions
from analysis.tables.study_tables import trial_titles
from codim.runtime.announce import announced

FILTERED_ROWS = 8
"""Number of rows from which a table gets a filter field."""


def _drawn_on_terminal(trials: Trials) -> Path:
    def steps(drawn: Iterable[Drawn]) -> Iterable[Drawn]:
        return track(drawn, "Drawing", total=len(FIGURES), console=Console(stderr=True), transient=True)

    return write_report(trials, steps)


def _drawn_in_lines(trials: Trials) -> Path:
    count = 0

    def steps(drawn: Iterable[Drawn]) -> Iterable[Drawn]:
        nonlocal count
        for figure in drawn:
            count += 1
            yield figure

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with announced(say, "drawing the page", lambda: f", {count} of {len(FIGURES)} figures"):
        return write_report(trials, steps)


def report(trials: Trials) -> Path:
    """Write the page of a study, `report/index.html` in its results folder, with its figures; return the page's path.

    Example:
        >>> import analysis
        >>> from shutil import copytree
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     results = copytree(Path(analysis.__file__).with_name("example"), Path(folder) / "digits")
        ...     page = analysis.report(analysis.load_trials(results))
        ...     page.name, page.parent.parent.name
        ('index.html', 'digits')
    """
    return write_report(trials)


def write_report(trials: Trials, steps: Callable[[Iterable[Drawn]], Iterable[Drawn]] = iter) -> Path:
    """Write `report/index.html` and `report/figures/` into the results folder; return the page's path.

    `steps` wraps the iterable of figures as they are drawn, for example to show the progress.
    """
    folder = trials.root / "report"
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    drawn = list(steps(draw_figures(trials, figures)))
    page = folder / "index.html"
    page.write_text(render(trials, drawn), encoding="utf-8")
    return page


def render(trials: Trials, drawn: list[Drawn]) -> str:
    """Render the page as HTML. Everything from the results folder is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sha256"] = lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    first, tables = headline(trials), present.report_tables(trials)
    figures = {figure.name: figure for figure in drawn}
    return environment.get_template("report.html").render(
        name=trials.name,
        headline=first,
        first_figures=[figures[name] for name in FIRST_SCREEN if name in figures],
        questions=questions(trials, drawn, tables, first.use),
        about=summary.study_sentence(trials),
        progress=summary.progress_sentence(trials),
        results=summary.result_sentences(trials),
        cost=summary.cost_sentence(trials),
        cautions=summary.cautions(trials),
        grids=grids(trials),
        trials=trial_titles(trials).values() if any(figure.svg for figure in drawn) else (),
        filter_from=FILTERED_ROWS,
        versions=trials.environment.get("versions", {}),
        started=trials.environment.get("started", ""),
        cpus=trials.environment.get("cpus", ""),
    )
