"""A results folder that was damaged anywhere: one line that says where, or a page; never a traceback."""

from pathlib import Path

import pytest
import synthetic
from mutations import mutations

from analysis import present, summary
from analysis.figures import FIGURES
from analysis.load import NotApplicable, Trials, load_trials
from study.records import ResultsFolder

MUTATIONS = 180
SLOW = {"importance", "sensitivity", "contours"}
"""Figures that take longer than all others together; one mutation in ten is drawn with them."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conditions, with trials in every state and confirmations."""
    kept = {"symmetric-0.2", "asymmetric-0.4"}
    trials = [r for r in (*synthetic.records(), *synthetic.confirmations()) if r.condition in kept]
    return synthetic.write(tmp_path_factory.mktemp("whole") / "digits", trials)


def computed(trials: Trials, figures: set[str]) -> None:
    """All that a page says and shows, not drawn."""
    present.report_tables(trials)
    assert all([summary.progress_sentence(trials), summary.result_sentences(trials), summary.cost_sentence(trials)])
    summary.cautions(trials)
    for name in figures:
        try:
            FIGURES[name].caption(FIGURES[name].compute(trials))
        except NotApplicable as reason:
            assert str(reason).endswith(".")


@pytest.mark.filterwarnings("ignore")
def test_refused_in_one_line_or_computed(whole: Path, tmp_path: Path) -> None:
    refused = 0
    for number, (name, root) in enumerate(mutations(whole, tmp_path / "digits", MUTATIONS)):
        try:
            trials = load_trials(root)
        except (ValueError, OSError) as error:
            assert str(root) in str(error), name
            assert str(error).isprintable(), name
            assert len(str(error)) < 400 + len(str(root)), name
            refused += 1
            continue
        try:
            computed(trials, set(FIGURES) - (SLOW if number % 10 else set()))
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
            assert str(error).startswith(f"{root}/"), name
            assert str(error).isprintable(), name
