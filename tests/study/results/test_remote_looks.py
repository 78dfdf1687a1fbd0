"""The analysis looks at a study on object storage again and again: only what has changed there is sent."""

import pytest

from analysis.frames.follow import Follower
from study.results.object_storage import Remote
from study.results.records import TrialRecord
from study.results.remote import STATE, RemoteResults
from study.worker.job import Job
from tests.support.buckets import Bucket
from tests.support.simulated import row

CONDITION = "symmetric-0.5"
TRIALS = [f"{CONDITION}-{number:04d}" for number in (1, 2, 3)]
JOB = Job("t", {"train": {"samples": 8000}, "data": {"val_fraction": 0.2}}, "", "", 1, 0)


def record(trial: str) -> TrialRecord:
    return TrialRecord(
        trial=trial, condition=CONDITION, noise_kind="symmetric", noise_rate=0.5, status="running", cause="",
        baseline="", params={"mixmatch/lambda_u": 12.0}, config={}, seed=1, budget=8000,
    )  # fmt: skip


def test_a_look_fetches_and_reads_only_what_has_changed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    get = Remote.get
    driver = RemoteResults(bucket.results, "tiny")

    def write(trial: str, epochs: int) -> None:
        rows = [{"trial": trial, "condition": CONDITION, **row(JOB, epoch, 0.5)} for epoch in range(epochs)]
        driver.write_epochs(trial, rows)

    with driver.lease():
        driver.write_trials([record(trial) for trial in TRIALS[:2]])
        write(TRIALS[0], 3)
        write(TRIALS[1], 3)
        write(TRIALS[2], 1)  # the table does not know it yet
        driver.keep(now=True)

        study = Follower(f"{bucket.results}/tiny")
        monkeypatch.setattr(Remote, "get", lambda self, name: fetched.append(name) or get(self, name))
        first = study.look()
        assert first.epochs.groupby("trial").size().to_dict() == dict.fromkeys(TRIALS[:2], 3)
        assert {f"epochs/{trial}.parquet" for trial in TRIALS} < set(fetched)

        fetched.clear()
        assert study.look().epochs is first.epochs
        # The table, which comes from beside the journal, and epochs that it does not know are not kept as they were.
        assert sorted(fetched) == [f"epochs/{TRIALS[2]}.parquet", STATE, "trials.parquet"]

        write(TRIALS[1], 5)
        driver.write_trials([record(trial) for trial in TRIALS])
        driver.keep(now=True)
        fetched.clear()
        last = study.look()
        assert last.epochs.groupby("trial").size().to_dict() == dict(zip(TRIALS, (3, 5, 1), strict=True))
        assert f"epochs/{TRIALS[0]}.parquet" not in fetched
        assert f"epochs/{TRIALS[1]}.parquet" in fetched
