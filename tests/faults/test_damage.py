"""A results folder whose files were cut or changed: the study says which one, and touches none. A whole one is read."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from study.plan.plan import load_plan
from study.preflight.forecast import Forecast, Usage, compare
from study.results.folder import ResultsFolder, write_json
from study.results.json_schema import Environment, Status, read_json
from study.results.records import TrialRecord
from study.search.optuna_search import Search, repair_journal
from tests.support.studies import WriteStudy


def record(trial: str) -> TrialRecord:
    known = {"trial": trial, "condition": "none", "noise_kind": "none", "noise_rate": 0.0, "status": "complete"}
    return TrialRecord(**known, cause="", baseline="", params={}, config={}, seed=0, budget=1000, samples=500)


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 99])
def test_a_table(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    folder.write_trials([record("none-0000")])
    damaged = damage(folder.trials.read_bytes())
    folder.trials.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"trials\.parquet is damaged \(.+\); restore it from a copy"):
        folder.read_trials()
    assert folder.trials.read_bytes() == damaged


def test_a_process_may_end_right_after_it_has_read_the_tables(tmp_path: Path) -> None:
    """Threads of Arrow that hold a file of Python's abort the process there, eight times in ten."""
    folder = ResultsFolder(tmp_path)
    folder.write_trials([record("none-0000")])
    code = "from study.results.folder import ResultsFolder; ResultsFolder({!r}).read_trials()"
    for _ in range(4):
        subprocess.run([sys.executable, "-c", code.format(str(tmp_path))], check=True)


@pytest.mark.parametrize("status", ["running", "complete"])
@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[: len(b) // 2], lambda b: b""])
def test_epochs(damage: Callable[[bytes], bytes], status: Status, tmp_path: Path) -> None:
    """Of a trial whose end may stand in no other file: the table of trials is older."""
    folder, own = ResultsFolder(tmp_path), record("none-0000")
    folder.write_trials([replace(own, status="running")])
    folder.write_epochs("none-0000", [], own if status == "complete" else None)
    path = folder.epochs / "none-0000.parquet"
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    for read in (folder.read_trials, lambda: folder.read_epochs("none-0000")):
        with pytest.raises(ValueError, match=r"epochs/none-0000\.parquet is damaged \(.+\); restore it from a copy"):
            read()
    assert path.read_bytes() == damaged


def test_a_line_within_the_journal(write_study: WriteStudy, tmp_path: Path) -> None:
    """Only the last line can be half written by a kill; any other was damaged by something else."""
    journal = tmp_path / "journal"
    Search(load_plan(write_study()), journal, {}).ask()
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:10] + b"\n"
    journal.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match=r"journal:3 is damaged"):
        repair_journal(journal)
    assert journal.read_bytes() == b"".join(lines)


def test_the_environment(tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text('{"versions"')
    with pytest.raises(ValueError, match=r"environment\.json is damaged"):
        read_json(tmp_path / "environment.json", Environment)


class TestWhatWasUsed:
    EXPECTED = Forecast(
        trials=4,
        hours=3.0,
        concurrent=2,
        samples=6000,
        price_per_hour=3.0,
        disk_bytes=1,
        expected_hours=2.0,
        expected_samples=4000,
    )

    def test_beside_the_forecast(self) -> None:
        """What pruning saves is counted; a study of before that was forecast is compared with what it may take."""
        spent = "used: 4 trials, 2000 samples, 1 h 30 min, 4.50 in cost; "
        expected = self.EXPECTED._asdict()
        assert compare(expected, 4, 2000, 1.5) == spent + (
            "forecast: 4000 samples, 2 h 00 min, 6.00 in cost (75% of the hours, 50% of the samples)"
        )
        del expected["expected_hours"], expected["expected_samples"]
        assert compare(expected, 4, 2000, 1.5) == spent + (
            "forecast: 6000 samples, 3 h 00 min, 9.00 in cost (50% of the hours, 33% of the samples)"
        )

    def test_over_all_starts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A start that was killed counts to its last table, even if the clock was set back meanwhile; the time between
        two starts does not count."""
        folder = ResultsFolder(tmp_path)
        starts = [{"at": "2026-01-01T00:00:00+00:00", "hours": None}, {"at": "2030-01-01T00:00:00+00:00", "hours": 2}]
        write_json(folder.environment, {"starts": starts})
        folder.write_trials([record("none-0000")])
        os.utime(folder.trials, (0, datetime(2026, 1, 1, 0, 30, tzinfo=UTC).timestamp()))
        now = [1000.0]
        monkeypatch.setattr("study.preflight.forecast.time.monotonic", lambda: now[0])
        usage = Usage(folder)
        now[0] += 3600
        assert usage.end() == pytest.approx(0.5 + 2 + 1)
        assert [start["hours"] for start in read_json(folder.environment, Environment)["starts"]] == [0.5, 2, 1]
        os.utime(folder.trials, (0, 0))
        write_json(folder.environment, {"starts": starts})
        assert Usage(folder).starts[0]["hours"] == 0
