"""Gallery page: every figure of the report, and the report itself, drawn from the shipped example."""

from collections.abc import Mapping
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from analysis.figures.render import draw_figures
from analysis.frames.load import load_trials
from analysis.page.report import render

INTRODUCTION = """# Gallery

Every figure of the report, drawn from the small study of the digits that comes with the project (`analysis/example`)
when this page was built. The whole page of that study is [here](example.html).

`codim-report RESULTS` draws them for a study; in a notebook `analysis.figure(study, NAME)` draws one.
"""


def pages(root: Path) -> Mapping[str, str]:
    """Return address -> content of the gallery, its figures and the report."""
    found = {}
    text = [INTRODUCTION]
    with TemporaryDirectory() as folder:
        trials = load_trials(copytree(root / "analysis" / "example", Path(folder) / "digits"))
        figures = Path(folder) / "figures"
        figures.mkdir()
        drawn = list(draw_figures(trials, figures))
        for figure in drawn:
            text.append(f"\n## {figure.title}\n\n`{figure.name}`\n")
            if figure.image or figure.svg:
                found[f"figures/{figure.name}.svg"] = (figures / f"{figure.name}.svg").read_text(encoding="utf-8")
                text.append(f"![{figure.title}. {figure.finding}](figures/{figure.name}.svg)\n")
            text.append(f"{figure.caption}\n")
        found["example.html"] = render(trials, drawn)
    return found | {"gallery.md": "\n".join(text)}
