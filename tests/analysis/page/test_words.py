"""Words of the pages: no sentence is long, no number is nan, and each figure's alternative says what it shows."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import analysis
from analysis.figures.catalogue import FIGURES
from analysis.frames.load import NotApplicable, Trials, load_trials
from analysis.page.report import write_report
from codim.commands.audit import render
from codim.config.train_config import TrainConfig
from codim.data.load import load_data
from codim.evaluation.label_audit import Suspect, Trust

MOST_WORDS = 30
APART = {"p", "li", "dd", "dt", "td", "th", "h1", "h2", "h3", "h4", "figcaption", "summary", "div", "title", "button"}
APART |= {"option", "legend", "label", "table"}
"""Tags that end a sentence, as a reader sees it."""
LISTED = re.compile(r"[^\s,]+: [^,;]*?\d[^,;]*[,;.]")
"""An entry of a list of counts, as in "n = trials, symmetric-0.2: 20, symmetric-0.5: 20."; it is read as a table is."""


class Words(HTMLParser):
    """Texts of a page, alternatives of pictures too."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts, self.open, self.current = list[str](), 0, ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += tag in ("script", "style")
        self.texts += [value or "" for name, value in attrs if name in ("alt", "aria-label")]
        self._end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.open -= tag in ("script", "style")
        self._end(tag)

    def handle_data(self, data: str) -> None:
        self.current += "" if self.open else data

    def _end(self, tag: str) -> None:
        if tag in APART:
            self.texts.append(" ".join(self.current.split()))
            self.current = ""


def sentences(page: str) -> list[str]:
    """Sentences of a page. "n = ..." at the end of a caption is one by itself."""
    return [own for text in Words(page).texts for own in re.split(r'(?<=[.?!:])\s+(?=n = |[A-Z0-9"])', text)]


def long_ones(page: str) -> list[str]:
    return [own for own in sentences(page) if len(LISTED.sub(" ", own).split()) > MOST_WORDS]


def test_a_long_sentence_is_found() -> None:
    words = " ".join(["Word"] * MOST_WORDS)
    assert long_ones(f"<p>Short. {words}.</p><p>{words} more.</p>") == [f"{words} more."]
    assert long_ones(f'<img alt="{words} more.">')
    assert not long_ones("<p>n = trials, " + "symmetric-0.2: 20, " * 40 + "</p>")


@pytest.fixture(params=["example", "study", "confirmed_study"])
def trials(request: pytest.FixtureRequest, tmp_path: Path) -> Trials:
    if request.param == "example":
        return load_trials(Path(analysis.__file__).with_name("example"))
    found: Trials = request.getfixturevalue(request.param)
    return found


def test_no_sentence_of_the_report_is_long(trials: Trials, tmp_path: Path) -> None:
    page = write_report(replace(trials, root=tmp_path)).read_text(encoding="utf-8")
    assert len(sentences(page)) > 200
    assert long_ones(page) == []
    assert [own for own in sentences(page) if re.search(r"\bnan\b", own)] == []


def test_each_alternative_says_what_the_figure_shows(trials: Trials) -> None:
    """A number of this study, in a sentence that is no part of the explanation."""
    for name, module in FIGURES.items():
        try:
            info = module.compute(trials)
        except NotApplicable:
            continue
        found = module.finding(info)
        assert re.search(r"\d", found), name
        assert found.endswith("."), name
        assert len(found.split()) <= MOST_WORDS, name
        assert found not in module.caption(info), name


@pytest.mark.parametrize("known", [Trust(0, math.nan, math.nan), Trust(99, 0.3, 0.5), Trust(99, 0.9, 0.95)])
def test_no_sentence_of_the_audit_is_long(known: Trust) -> None:
    data, _ = load_data(TrainConfig().data, TrainConfig().noise)
    found = [Suspect(i + 1, i + 1, i, "", "train", "0", "1", 0.01, 0.9, 0.8, 0.1, -2.0, 0.7) for i in range(3)]
    for shown, limit in ((found, 2), (found, 3), ([], 3)):
        assert long_ones(render(TrainConfig(), data, shown, limit, known)) == []
