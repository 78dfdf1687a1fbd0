"""The page: what it says, that it needs nothing from outside, and that nothing in the results can act in it."""

import json
import re
import shutil
import subprocess
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import analysis
from analysis.__main__ import main
from analysis.figures.catalogue import FIGURES
from analysis.figures.render import draw_figures
from analysis.frames.load import Trials, load_trials
from analysis.page import questions
from analysis.page import sentences as summary
from analysis.page.headline import MOST_WORDS, headline
from analysis.page.page_tables import report_tables
from analysis.page.report import render, write_report
from analysis.statistics.confirmation import confirmation_table
from analysis.tables.selection import chosen
from analysis.tables.study_tables import trial_titles
from tests.support import synthetic
from tests.support.synthetic import record

HOSTILE = "</td><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">$\\frac{"
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)


class Page(HTMLParser):
    """Tags, addresses that a browser would load, and scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag != "a":
            self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


@pytest.fixture(scope="session")
def page(study: Trials) -> Path:
    return write_report(study)


DRAWN = FIGURES.keys() - {"confirmed", "variance"}
"""On that page; the study has not been confirmed."""


def test_the_page_needs_nothing_from_outside(page: Path) -> None:
    text = page.read_text()
    parsed = Page(text)
    assert len(parsed.loads) + parsed.tags.count("svg") == len(DRAWN)
    assert all(address.startswith("data:image/svg+xml;base64,") for address in parsed.loads)
    assert not re.search(r"@import|url\((?!#)|https?://", text)
    assert parsed.tags.count("script") == 1
    assert parsed.tags.count("main") == text.count("</main>") == 1


def test_every_figure_lies_beside_the_page_with_its_data(page: Path) -> None:
    found = {path.name for path in (page.parent / "figures").iterdir()}
    assert found == {f"{name}.{kind}" for name in DRAWN for kind in ("png", "svg", "csv")}
    assert (page.parent / "figures" / "methods.csv").read_text().startswith("condition,method,trial")


def test_the_same_results_give_the_same_page(page: Path, study: Trials, tmp_path: Path) -> None:
    drawn = list(draw_figures(study, tmp_path))
    assert [figure.name for figure in drawn] == list(FIGURES)
    assert render(study, drawn) == page.read_text()


def test_tables_are_sorted_by_number_and_reachable_by_keyboard(page: Path) -> None:
    text = page.read_text()
    assert '<th scope="col" class="number"><button type="button">realised (%)</button></th>' in text
    assert re.search(r'<td data-order="0\.4[45]\d*" class="number">45\.0</td>', text)
    assert len(re.findall(r'<th scope="col"[^>]*><button type="button">', text)) == text.count('<th scope="col"')


def test_hostile_text_is_shown_and_never_runs(tmp_path: Path) -> None:
    name = f"x{HOSTILE}"
    spec = synthetic.SPEC | {"name": name, "baselines": {HOSTILE: {}}}
    spec["space"] = spec["space"] | {HOSTILE: {"type": "categorical", "choices": [HOSTILE, "b"]}}
    trials = [
        record("symmetric-0.2", 0, 0.9, baseline=HOSTILE),
        record("symmetric-0.2", 1, 0.9, params={HOSTILE: HOSTILE}),
        record("symmetric-0.2", 2, 0.9, status="failed", cause=HOSTILE),
    ]
    text = write_report(load_trials(synthetic.write(tmp_path, trials, spec=spec))).read_text()
    parsed = Page(text)
    assert parsed.tags.count("script") == 1
    assert parsed.tags.count("img") == len(parsed.loads)
    assert all(address.startswith("data:") for address in parsed.loads)
    assert parsed.handlers == []
    assert "&lt;script&gt;document.title" in text


def test_an_empty_study_has_a_page_of_sentences(empty_study: Trials) -> None:
    text = write_report(empty_study).read_text()
    assert "The study is not finished: 0 of 96 trials have ended" in text
    assert "nothing to compare" in text
    assert text.count('<p class="why">No figure: ') == len(FIGURES)
    assert list((empty_study.root / "report" / "figures").iterdir()) == []


def test_a_figure_of_an_earlier_report_does_not_stay(empty_study: Trials, tmp_path: Path) -> None:
    for kind in ("png", "svg", "csv"):
        (tmp_path / f"budget.{kind}").touch()
    assert all(drawn.image == drawn.svg == "" for drawn in draw_figures(empty_study, tmp_path))
    assert list(tmp_path.glob("budget.*")) == []


def test_every_figure_and_table_answers_one_question(study: Trials) -> None:
    figures = [*questions.FIRST_SCREEN, *(name for own in questions._FIGURES.values() for name in own)]
    assert sorted(figures) == sorted(FIGURES)
    tables = [title for own in questions._TABLES.values() for title in own]
    assert len(set(tables)) == len(tables)
    assert {table.title for table in report_tables(study)} <= set(tables)


def test_three_short_sentences_with_a_number_each(study: Trials, empty_study: Trials) -> None:
    example = load_trials(Path(analysis.__file__).with_name("example"))
    for trials in (study, empty_study, example):
        found = headline(trials)
        for sentence in (found.use, found.sure, found.next):
            assert len(sentence.split()) <= MOST_WORDS
            assert re.search(r"\d", sentence), sentence


def test_what_was_confirmed_is_recommended_with_its_settings() -> None:
    """The shipped example: the robust setting is ahead of the best baseline in its confirmations."""
    trials = load_trials(Path(analysis.__file__).with_name("example"))
    found, table = headline(trials), confirmation_table(trials)
    (robust,) = set(table.loc[table["method"].str.contains("robust"), "setting"])
    own = table[table["setting"] == robust]
    assert f"{robust}: {100 * own['oracle_test_acc'].mean():.1f}% test accuracy, mean of 4 conditions" in found.use
    settings = json.loads(found.settings)
    row = trials.trials.set_index("trial").loc[robust]
    assert settings["contrastive"]["temperature"] == pytest.approx(row["param/contrastive/temperature"], rel=1e-3)
    assert "above codim-self" in found.sure


def test_a_baseline_that_nothing_beats_is_recommended(tmp_path: Path) -> None:
    name = "symmetric-0.5"
    trials = [record(name, 0, 0.95, baseline="ce"), record(name, 1, 0.90)]
    for number, test, baseline in ((0, 0.95, "ce"), (1, 0.90, "")):
        setting = f"{name}-{number:04d}"
        trials += [
            record(
                name,
                repeat,
                test,
                baseline=baseline,
                trial=f"{setting}@{name}-r{repeat}",
                setting=setting,
                phase="confirm",
            )
            for repeat in range(3)
        ]
    found = headline(load_trials(synthetic.write(tmp_path, trials)))
    assert found.use == "Use ce, the best baseline: 95.0% test accuracy, in one condition."
    assert "5.0 points below it" in found.sure


def test_marks_are_named_by_their_trials(page: Path, study: Trials) -> None:
    text = page.read_text()
    titles = trial_titles(study)
    assert "seed 16" in titles["symmetric-0.2-0016"]
    (listed,) = re.findall('<ul id="trials" hidden>(.*?)</ul>', text, re.DOTALL)
    assert re.findall("<li>(.*?)</li>", listed) == [escape(title) for title in titles.values()]
    named = {name: figure_trials(text, name, list(titles)) for name in FIGURES}
    ended = set(study.trials.loc[study.trials["status"].isin(["complete", "pruned"]), "trial"])
    searched = ended & set(study.trials.loc[study.trials["baseline"] == "", "trial"])
    assert named["history"] >= ended
    assert named["slices"] >= searched
    assert named["parallel_coordinates"] == searched
    assert named["timeline"] >= ended
    assert named["learning_curves"] == named["memorisation"] | (ended - searched) | set(chosen(study)["trial"])


def figure_trials(text: str, name: str, trials: list[str]) -> set[str]:
    """Trials that the marks of a figure name."""
    own = re.search(rf'<figure id="{name}">(.*?)</figure>', text, re.DOTALL)
    return {trials[int(number)] for number in re.findall(r'data-trial="(\d+)"', own[1])} if own else set()


class Folds(HTMLParser):
    """How many folds, one in the other, hide each heading and answer of a section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.section, self.depth, self.tag, self.found = "", 0, "", dict[tuple[str, str], int]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.section = dict(attrs).get("id") or "" if tag == "section" else self.section
        self.depth += tag == "details"
        self.tag = dict(attrs).get("class") or tag

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "details"
        self.tag = ""

    def handle_data(self, data: str) -> None:
        if self.tag in ("h3", "answer", "title"):
            self.found[self.section, data if self.tag != "answer" else "answer"] = self.depth


@pytest.mark.parametrize(
    ("question", "answer"),
    [("use", "Chosen settings"), ("enough", "answer"), ("enough", "History of the search"), ("wrong", "Failed trials")],
)
def test_three_questions_are_answered_within_two_clicks(page: Path, question: str, answer: str) -> None:
    """Which setting for some noise, was the search long enough, which trials failed and why: a click on the question in
    the contents, and one on what is folded."""
    text = page.read_text()
    assert f'<a href="#{question}">' in text
    assert Folds(text).found[question, answer] <= 1


def test_a_table_does_not_contradict_a_warning(tmp_path: Path) -> None:
    """Where the resolution is poor, no table says that settings can be ranked."""
    trials = load_trials(synthetic.write(tmp_path, [record("symmetric-0.8", i, 0.8 - 0.1 * i) for i in range(2)]))
    assert "poor resolution" in "\n".join(summary.cautions(trials))
    (table,) = [own for own in report_tables(trials) if own.title == "What the objective can tell apart"]
    assert [row[table.headings.index("ranks settings")].text for row in table.rows] == ["poorly"]


def test_the_command_prints_the_path_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = synthetic.write(tmp_path, [record("symmetric-0.5", 0, 0.9)])
    assert main([str(root)]) == 0
    assert capsys.readouterr().out == f"{root / 'report' / 'index.html'}\n"


def test_a_bad_path_ends_with_one_message_and_status_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "analysis", str(tmp_path / "nowhere")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("python -m analysis: ")
    assert "is not a folder; give a study's results folder" in line


def browse(address: str, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    common = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--enable-logging=stderr",
    ]
    command = [CHROMIUM, *common, f"--user-data-dir={profile}", *options, address]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@needs_chromium
def test_a_browser_shows_the_page_without_a_complaint(page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    result = browse(page.as_uri(), tmp_path / "profile", "--window-size=1280,2000", f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000
    assert "CONSOLE" not in result.stderr


@needs_chromium
def test_a_click_sorts_and_a_narrow_window_does_not_scroll_sideways(page: Path, tmp_path: Path) -> None:
    probe = """<script>
      const table = document.querySelectorAll("table")[0];
      table.querySelectorAll("th button")[3].click();
      const up = [...table.tBodies[0].rows].map(row => row.cells[3].textContent);
      table.querySelectorAll("th button")[3].click();
      const down = [...table.tBodies[0].rows].map(row => row.cells[3].textContent);
      document.title = [up, down, document.documentElement.scrollWidth <= innerWidth].join(";");
    </script></body>"""
    # The page's own policy forbids a second script, as it should.
    text = re.sub("<meta http-equiv=.*?>", "", page.read_text()).replace("</body>", probe)
    (tmp_path / "probe.html").write_text(text)
    options = ("--window-size=500,900", "--dump-dom")
    result = browse((tmp_path / "probe.html").as_uri(), tmp_path / "profile", *options)
    assert "<title>1.57,3.46,124,447;447,124,3.46,1.57;true</title>" in result.stdout


@needs_chromium
def test_words_filter_a_table_and_printing_unfolds_it(page: Path, tmp_path: Path) -> None:
    probe = """<script>
      const field = [...document.querySelectorAll("input[type=search]")].at(-1);
      const rows = [...document.getElementById(field.dataset.table).tBodies[0].rows];
      const shown = text => {
        field.value = text;
        field.dispatchEvent(new Event("input"));
        return rows.filter(row => !row.hidden).length;
      };
      const found = [shown("SYMMETRIC-0.2 pruned"), field.nextElementSibling.textContent, shown("nowhere"), shown("")];
      dispatchEvent(new Event("beforeprint"));
      document.title = [...found, document.querySelector("details").open].join(";");
    </script></body>"""
    text = re.sub("<meta http-equiv=.*?>", "", page.read_text()).replace("</body>", probe)
    (tmp_path / "probe.html").write_text(text)
    result = browse((tmp_path / "probe.html").as_uri(), tmp_path / "profile", "--dump-dom")
    assert "<title>5;5 of 96 rows;0;96;true</title>" in result.stdout
