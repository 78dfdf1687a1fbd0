"""Looking at a study again and again: what is new is there, and a file that has not changed is not read again."""

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.frames.follow import Follower
from analysis.frames.load import load_trials
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from tests.support import synthetic
from tests.support.synthetic import record

FIRST, SECOND = (record("symmetric-0.5", i, 0.9, status="running", epochs=5) for i in (1, 2))


def spoil(path: Path) -> None:
    """Nothing can be read in it any more, and nobody sees that from outside."""
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def grown(trial: TrialRecord, epochs: int) -> list[dict[str, object]]:
    return synthetic.epochs(replace(trial, epochs=epochs))


def test_a_file_that_has_not_changed_is_not_opened_again(tmp_path: Path) -> None:
    folder = ResultsFolder(synthetic.write(tmp_path / "digits", [FIRST, SECOND]))
    study = Follower(folder.root)
    before = study.look()
    spoil(folder.epochs / f"{FIRST.trial}.parquet")
    folder.write_epochs(SECOND.trial, grown(SECOND, 7))
    after = study.look()
    assert before.epochs.groupby("trial").size().to_dict() == {FIRST.trial: 5, SECOND.trial: 5}
    assert after.epochs.groupby("trial").size().to_dict() == {FIRST.trial: 5, SECOND.trial: 7}
    spoil(folder.epochs / f"{SECOND.trial}.parquet")
    assert study.look().epochs is after.epochs
    # Once it has changed, it is read, and found to be damaged.
    os.utime(folder.epochs / f"{FIRST.trial}.parquet")
    with pytest.raises(ValueError, match="cannot be read"):
        study.look()


def test_a_look_is_what_somebody_else_loads(tmp_path: Path) -> None:
    """With trials that come, grow, and lose their file; first without the study file, which orders the conditions."""
    late, early = record("symmetric-0.8", 1, 0.8, epochs=3), record("symmetric-0.2", 1, 0.8, epochs=4)
    folder = ResultsFolder(synthetic.write(tmp_path / "digits", [late, FIRST]))
    spec = folder.spec.read_bytes()
    folder.spec.unlink()
    study = Follower(folder.root)

    def assert_same() -> None:
        pd.testing.assert_frame_equal(study.look().epochs, load_trials(folder.root).epochs)

    assert_same()
    folder.spec.write_bytes(spec)
    assert_same()
    folder.write_trials([late, SECOND, FIRST, early])
    folder.write_epochs(early.trial, synthetic.epochs(early))
    folder.write_epochs(SECOND.trial, grown(SECOND, 2))
    folder.write_epochs(late.trial, grown(late, 6))
    assert_same()
    (folder.epochs / f"{FIRST.trial}.parquet").unlink()
    assert_same()
    assert set(study.look().epochs["trial"]) == {early.trial, SECOND.trial, late.trial}
    folder.write_epochs(early.trial, [])  # it was started again
    assert_same()
    for trial in (SECOND, late):
        folder.write_epochs(trial.trial, [])
    assert_same()
    assert study.look().epochs.empty


def test_a_study_that_has_no_epoch_yet(tmp_path: Path) -> None:
    folder = ResultsFolder(synthetic.write(tmp_path / "digits", []))
    study = Follower(folder.root)
    assert study.look().epochs.empty
    folder.write_trials([FIRST])
    folder.write_epochs(FIRST.trial, grown(FIRST, 2))
    pd.testing.assert_frame_equal(study.look().epochs, load_trials(folder.root).epochs)
    assert len(study.look().epochs) == 2
