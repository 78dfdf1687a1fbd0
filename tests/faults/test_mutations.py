"""A results folder that was damaged anywhere: one line that says where, or a page; never a traceback."""

from contextlib import suppress
from pathlib import Path

import pytest

from analysis.figures.catalogue import FIGURES
from analysis.frames.load import NotApplicable, Trials, load_trials
from analysis.page import page_tables as present
from analysis.page import sentences as summary
from study.results.folder import ResultsFolder
from tests.support import synthetic
from tests.support.mutations import mutations

MUTATIONS, EVERY = 150, 15
"""How many; and of those that are not refused, one in so many has a whole page computed."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conditions, with trials in every state and confirmations."""
    kept = {"symmetric-0.2", "asymmetric-0.4"}
    trials = [r for r in (*synthetic.records(), *synthetic.confirmations()) if r.condition in kept]
    return synthetic.write(tmp_path_factory.mktemp("whole") / "digits", trials)


def assert_one_line(said: str, root: Path, name: str) -> None:
    assert str(root) in said, name
    assert said.isprintable(), name
    assert len(said) < 400 + len(str(root)), name


def computed(trials: Trials) -> None:
    """All that a page says and shows, not drawn."""
    present.report_tables(trials)
    assert all([summary.progress_sentence(trials), summary.result_sentences(trials), summary.cost_sentence(trials)])
    summary.cautions(trials)
    for module in FIGURES.values():
        with suppress(NotApplicable):
            module.caption(module.compute(trials))


@pytest.mark.filterwarnings("ignore")
def test_refused_in_one_line_or_computed(whole: Path, tmp_path: Path) -> None:
    refused = read = 0
    for name, root in mutations(whole, tmp_path / "digits", MUTATIONS):
        try:
            trials = load_trials(root)
        except (ValueError, OSError) as error:
            assert_one_line(str(error), root, name)
            refused += 1
            continue
        try:
            if read % EVERY == 0:
                computed(trials)
            read += 1
        except Exception as error:
            raise AssertionError(f"{name} is not refused, and ends the page") from error
    assert MUTATIONS / 4 < refused < MUTATIONS


def test_the_study_reads_it_or_says_what_is_wrong(whole: Path, tmp_path: Path) -> None:
    for name, root in mutations(whole, tmp_path / "digits", MUTATIONS // 2, seed=1):
        folder = ResultsFolder(root)
        try:
            for record in folder.read_trials():
                folder.read_epochs(record.trial)
        except ValueError as error:
            assert_one_line(str(error), root, name)
