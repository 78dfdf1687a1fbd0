"""Watching a study: the page follows what is written, and the watch ends with the study."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from analysis.__main__ import main
from analysis.commands import watch
from analysis.commands.watch import overview
from analysis.frames.load import Trials
from study.results.folder import ResultsFolder
from tests.support import synthetic


def text(trials: Trials) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(overview(trials))
    return capture.get()


def test_the_table_says_how_far_each_condition_is(study: Trials) -> None:
    lines = text(study).splitlines()
    row = next(line for line in lines if "asymmetric-0.4" in line)
    best = study.searched[study.searched["condition"] == "asymmetric-0.4"].nlargest(1, "objective").iloc[0]
    objective = 100 * synthetic.noisy(synthetic.BASELINES["codim-sup"], "asymmetric-0.4")
    expected = ["17", "5", "1", "1", f"{100 * best['objective']:.1f}", str(best["number"]), f"{objective:.1f}"]
    assert row.split() == ["asymmetric-0.4", *expected]


def test_a_study_without_a_trial_has_an_empty_row_a_condition(empty_study: Trials) -> None:
    assert text(empty_study).count("–") == 3 * len(synthetic.CONDITIONS)


def test_the_page_follows_until_the_study_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = synthetic.write(tmp_path / "digits", synthetic.records())
    written: list[Trials] = []
    monkeypatch.setattr(watch, "write_report", lambda trials: written.append(trials) or root / "page")
    sleeps = iter(range(10))

    def sleep(seconds: float) -> None:
        assert seconds >= 1
        if next(sleeps) == 1:  # nothing new the first time, the end the second
            rows = ResultsFolder(root).read_trials()
            for row in rows:
                if row.status == "running":
                    row.status, row.ended = "failed", datetime(2026, 11, 24, tzinfo=UTC)
            ResultsFolder(root).write_trials(rows)

    monkeypatch.setattr(watch.time, "sleep", sleep)
    assert main(["watch", str(root), "--every", "1"]) == 0
    assert next(sleeps) == 2
    assert [int((trials.trials["status"] == "running").sum()) for trials in written] == [4, 0]
    assert capsys.readouterr().out.rstrip().endswith("page")


def test_a_folder_that_is_none_and_a_hasty_watch_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main(["watch", str(tmp_path), "--every", "0"]) == 2
    assert "--every" in capsys.readouterr().err
