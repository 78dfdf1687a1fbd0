"""Hostile names in every output of a study: each shows them as they are, and obeys none."""

import csv
import io
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from analysis.commands.watch import overview
from analysis.export.paper import as_latex, as_markdown, paper_table
from analysis.figures.catalogue import FIGURES
from analysis.figures.render import Drawn, _draw
from analysis.frames.load import Trials, load_trials
from analysis.page.report import render
from analysis.tables import escape
from analysis.tables.study_tables import trial_titles
from codim.text.safe_text import printable, shortened
from tests.support import synthetic

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "--><svg onload=alert(1)>",
    r"\input{/etc/passwd}",
    r"\\[1cm] *x & y % z",
    "$x^2$ #1 ~a_b^c",
    "|pipe| `code` **bold**",
    "[link](https://example.org) ![image](x)",
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@SUM(A1)",
    "[bold red]rich[/]",
    "&lt;b&gt; &amp;",
    "naïve “größe”",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """Each name is a baseline; some are the study's, a condition's, a setting's."""
    path, (condition, study) = f"section/{HOSTILE[0]}", HOSTILE[:2]
    names = {name: {} for name in HOSTILE}
    spec = synthetic.SPEC | {"name": study, "baselines": names, "conditions": [{"id": condition, "kind": "symmetric"}]}
    spec["space"] = {path: {"type": "categorical", "choices": HOSTILE}}
    trials = [
        synthetic.record("symmetric-0.2", i, 0.8 + i / 1000, baseline=name, params={path: name})
        for i, name in enumerate([*HOSTILE, ""])
    ]
    for trial in trials:
        trial.condition, trial.cause = condition, "\x1b[2J\n" + HOSTILE[0]
    return load_trials(synthetic.write(tmp_path_factory.mktemp("hostile") / "study", trials, spec))


class Page(HTMLParser):
    """The text that a page shows, and the elements that it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)


def test_the_page(hostile: Trials) -> None:
    own = {"html", "body", "table", "td", "th", "button", "script", "img", "details"}
    page = Page(render(hostile, [Drawn("methods", HOSTILE[0], " ".join(HOSTILE))]))
    assert own - {"img"} <= page.tags
    assert not page.tags & {"svg", "b"}
    assert page.text.count("alert(1)") == sum(page.text.count(name) for name in HOSTILE if "alert(1)" in name)
    assert all(name in page.text for name in HOSTILE)


def test_markdown(hostile: Trials) -> None:
    text = as_markdown(hostile)
    assert "<script" not in text
    page = Page(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "p"}
    assert all(name in page.text for name in HOSTILE)


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
def test_markdown_of_any_name(name: str) -> None:
    page = Page(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(f"x {escape.markdown(name)} x"))
    assert page.tags == {"p"}
    assert page.text.strip() == f"x {name} x"


def test_latex(hostile: Trials) -> None:
    text = as_latex(hostile)
    own = {
        "usepackage",
        "begin",
        "end",
        "toprule",
        "midrule",
        "bottomrule",
        "cmidrule",
        "centering",
        "caption",
        "textbf",
    }
    own |= {"multirow", "multicolumn", "pm", "dagger"}
    assert set(re.findall(r"\\([A-Za-z]+)", text)) - own <= set(re.findall(r"text[a-z]+", text))
    assert r"\textbackslash{}input\{/etc/passwd\}" in text


@given(st.text())
def test_latex_of_any_name(name: str) -> None:
    plain = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\{[\[\]*]\}|\$\\pm\$|\$\^\\dagger\$", "", escape.latex(name))
    assert not set(plain) & set('\\&%$#_{}~^<>|"[]*')


def test_csv(hostile: Trials, tmp_path: Path) -> None:
    _draw("methods", FIGURES["methods"].compute(hostile), tmp_path, list(trial_titles(hostile)))
    for text in (escape.csv(paper_table(hostile)), (tmp_path / "methods.csv").read_text(encoding="utf-8")):
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        names = [cell for cell in cells if cell.removeprefix("'") in HOSTILE]
        assert {name.removeprefix("'") for name in names} >= set(HOSTILE) - {HOSTILE[1]}
        computed = [name for name in names if name.startswith(("=", "+", "-", "@"))]
    assert {*computed} <= {"+1", "-1"}, "numbers stay numbers"


def test_figures(hostile: Trials, tmp_path: Path) -> None:
    for name in ("methods", "slices"):
        drawn = _draw(name, FIGURES[name].compute(hostile), tmp_path, list(trial_titles(hostile)))
        image = ElementTree.fromstring((tmp_path / f"{name}.svg").read_bytes())
        assert drawn.image or drawn.svg
        assert "<script" not in drawn.svg.lower()
        assert "<img" not in drawn.svg.lower()
        assert not [part for part in image.iter() if part.tag.endswith("}script") or "onload" in part.attrib]


def test_the_terminal(hostile: Trials) -> None:
    console = Console(file=io.StringIO(), width=400, force_terminal=False)
    console.print(overview(hostile))
    shown = console.file.getvalue()
    assert HOSTILE[0] in shown
    assert HOSTILE[1] in shown
    assert "\x1b" not in shown


@given(st.text())
def test_text_for_a_terminal(text: str) -> None:
    assert {"Cc", "Cs", "Zl", "Zp"}.isdisjoint(map(unicodedata.category, printable(text)))
    assert len(shortened(text)) <= 60
    if text.isprintable():
        assert printable(text) == text


@pytest.mark.parametrize("odd", ["\x1b[2J", "a\nb", "\u202etxt", "\x00"])
def test_names_with_control_characters_are_refused(odd: str, tmp_path: Path) -> None:
    for part, own in (("name", odd), ("baselines", {odd: {}}), ("conditions", [{"id": odd}])):
        root = synthetic.write(tmp_path / part, [], synthetic.SPEC | {part: own})
        with pytest.raises(ValueError, match=rf"spec\.json is damaged \({part}") as refused:
            load_trials(root)
        assert str(refused.value).isprintable()
    for part in ("baseline", "condition", "setting"):
        trial = synthetic.record("symmetric-0.2", 0, 0.9)
        setattr(trial, part, odd)
        with pytest.raises(ValueError, match=rf"trials\.parquet is damaged \({part} ") as refused:
            load_trials(synthetic.write(tmp_path / part, [trial]))
        assert str(refused.value).isprintable()
