"""One self-contained page: sentences, tables, figures. Nothing is loaded from anywhere when it is opened."""

import base64
import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import matplotlib
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from analysis import present, summary
from analysis.arguments import ReportArguments
from analysis.join import join
from analysis.load import NotApplicable, Trials, load_trials
from analysis.plots import (
    best_values,
    budget,
    confirmed,
    contours,
    critical_difference,
    degenerate,
    edf,
    history,
    importance,
    learning_curves,
    loss_histograms,
    memorisation,
    methods,
    mixture,
    parallel_coordinates,
    pareto,
    rung_correlation,
    selection_regret,
    sensitivity,
    slices,
    split_quality,
    style,
    timeline,
    transitions,
    variance,
)

FIGURES: dict[str, ModuleType] = {
    "methods": methods,
    "critical_difference": critical_difference,
    "confirmed": confirmed,
    "best_values": best_values,
    "selection_regret": selection_regret,
    "variance": variance,
    "slices": slices,
    "importance": importance,
    "contours": contours,
    "parallel_coordinates": parallel_coordinates,
    "sensitivity": sensitivity,
    "transitions": transitions,
    "memorisation": memorisation,
    "split_quality": split_quality,
    "mixture": mixture,
    "loss_histograms": loss_histograms,
    "degenerate": degenerate,
    "history": history,
    "edf": edf,
    "learning_curves": learning_curves,
    "rung_correlation": rung_correlation,
    "pareto": pareto,
    "budget": budget,
    "timeline": timeline,
}
"""In the order of the page: first what was found, then why, then how, then what it cost."""

FILTERED_ROWS = 8
"""Tables with as many rows get a field to filter them by."""


@dataclass(frozen=True)
class Drawn:
    """A figure as the page shows it."""

    name: str
    title: str
    caption: str
    """What to learn from it, with its n; or the sentence that says why there is no figure."""
    image: str = ""
    """A data: address; empty where there is no figure."""


def main(args: ReportArguments) -> None:
    """The command: write the page, print its path."""
    console = Console(stderr=True)

    def steps(names: Iterable[str]) -> Iterable[str]:
        return track(list(names), "Drawing", console=console, transient=True)

    if not args.results:
        raise ValueError("RESULTS is missing: give a study's results folder")
    studies = [load_trials(results) for results in args.results]
    print(write_report(studies[0] if len(studies) == 1 else join(studies), steps))


class _NotebookFigure(Figure):
    """Shown where it stands last in a cell, whatever matplotlib's backend is."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png")
        return image.getvalue()


def write_report(trials: Trials, steps: Callable[[Iterable[str]], Iterable[str]] = iter) -> Path:
    """Write `report/index.html` and `report/figures/` into the results folder; return the page's path.

    `steps` goes round the names of the figures and may show the progress.
    """
    folder = trials.root / "report"
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    drawn = [draw_figure(trials, name, figures) for name in steps(FIGURES)]
    page = folder / "index.html"
    page.write_text(render(trials, drawn), encoding="utf-8")
    return page


def figure(trials: Trials, name: str) -> Figure:
    """One figure of the page (a name of FIGURES), as a notebook shows it.

    NotApplicable: the trials lack what it needs. ValueError: there is no such figure.
    """
    if name not in FIGURES:
        raise ValueError(f"no figure {name!r}; allowed: {', '.join(FIGURES)}")
    info = FIGURES[name].compute(trials)
    with matplotlib.rc_context(style.RC):
        drawn = _NotebookFigure(layout="constrained")
        FIGURES[name].draw(info, drawn)
        # Ticks are made by the first drawing, which must still find this style.
        drawn.draw_without_rendering()
    return drawn


def draw_figure(trials: Trials, name: str, folder: Path) -> Drawn:
    """Compute and draw one figure; leave it as PNG and SVG in `folder`, its data as CSV."""
    module = FIGURES[name]
    paths = [folder / f"{name}.{kind}" for kind in ("png", "svg", "csv")]
    try:
        info = module.compute(trials)
    except NotApplicable as reason:
        for path in paths:
            # A figure of an earlier report beside a page that has none would be taken for this one's.
            path.unlink(missing_ok=True)
        return Drawn(name, module.TITLE, str(reason))
    png, svg, csv = paths
    with matplotlib.rc_context(style.RC):
        figure = Figure(layout="constrained", dpi=matplotlib.rcParams["savefig.dpi"])
        module.draw(info, figure)
        # Not by `savefig`, which draws each picture twice. The layout is solved once, for both.
        FigureCanvasAgg(figure).print_png(png)
        figure.set_layout_engine("none")
        image = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(image, metadata={"Date": None})
    svg.write_bytes(image.getvalue())
    info.frame.to_csv(csv, index=False)
    address = "data:image/svg+xml;base64," + base64.b64encode(image.getvalue()).decode()
    return Drawn(name, module.TITLE, module.caption(info), address)


def render(trials: Trials, drawn: list[Drawn]) -> str:
    """The page as text. All that comes from the results folder is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sha256"] = lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        name=trials.name,
        progress=summary.progress_sentence(trials),
        results=summary.result_sentences(trials),
        cost=summary.cost_sentence(trials),
        cautions=summary.cautions(trials),
        tables=present.report_tables(trials),
        filter_from=FILTERED_ROWS,
        figures=drawn,
        versions=trials.environment.get("versions", {}),
        started=trials.environment.get("started", ""),
        cpus=trials.environment.get("cpus", ""),
    )
