"""Results on object storage, with a real S3-compatible server."""

import itertools
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import study.results.object_storage
import study.results.remote
from codim.config.budget import Speed
from codim.runtime.tensor_file import read_tensors, write_tensors
from study.errors import SpecError
from study.plan.plan import Plan, load_plan
from study.plan.shared_stages import Stage, shared_stages
from study.results.object_storage import Remote
from study.results.records import TrialRecord
from study.results.remote import DRIVERS, RemoteResults
from study.run import Arguments, main
from study.worker import staging as worked
from study.worker.job import Job
from study.worker.stages import stage_file
from study.worker.staging import compute_stage_at, progress_at, worked_on
from study.worker.watchdog import HUNG
from tests.support.buckets import Bucket
from tests.support.simulated import curve
from tests.support.studies import WriteStudy
from tests.support.waits import until

NAN = float("nan")


@pytest.fixture
def plan(write_study: WriteStudy) -> Plan:
    return load_plan(write_study())


def record(trial: str, status: str = "running") -> TrialRecord:
    return TrialRecord(
        trial=trial, condition="symmetric-0.5", noise_kind="symmetric", noise_rate=0.5, status=status, cause="",
        baseline="", params={"mixmatch/lambda_u": 12.0}, config={}, seed=1, budget=8000,
    )  # fmt: skip


def test_what_was_kept_is_there_for_the_next_driver(bucket: Bucket, plan: Plan) -> None:
    config = plan.searched_config(plan.conditions[0], {"mixmatch/lambda_u": 12.0}, 1).model_dump(mode="json")
    rows = [
        {"trial": "symmetric-0.5-0001", "condition": "symmetric-0.5", **row}
        for row in curve(Job("t", config, "", "", 1, 0))
    ]
    late = RemoteResults(bucket.results, "tiny")
    late.fetch()
    first = RemoteResults(bucket.results, "tiny")
    with first.lease():
        first.journal.parent.mkdir(parents=True, exist_ok=True)
        first.journal.write_text("a line\n")
        first.write_trials([record("symmetric-0.5-0001"), record("symmetric-0.5-0002", "complete")])
        first.write_epochs("symmetric-0.5-0001", rows[:3])
        first.write_epochs("symmetric-0.5-0002", rows, record("symmetric-0.5-0002", "complete"))
        (first.root / "tensorboard").mkdir()
        (first.root / "tensorboard" / "events").write_text("some")
        first.remove("symmetric-0.5-0002")
        for trial in ("symmetric-0.5-0001", "symmetric-0.5-0002"):
            Remote(first.at("ray", "trials", trial)).put("checkpoint.pt", b"it")
        first.keep(now=True)
        # Given out, and ended, after the tables were sent: of such a trial its search knows nothing.
        first.write_epochs("symmetric-0.5-0003", rows, record("symmetric-0.5-0003", "complete"))
        first._copy.send(["epochs/symmetric-0.5-0003.parquet"])
    assert Remote(late.at("ray")).names() == ["trials/symmetric-0.5-0001/checkpoint.pt"]
    with late.lease():
        assert [one.trial for one in late.read_trials()] == ["symmetric-0.5-0001", "symmetric-0.5-0002"]
        assert late.journal.read_text() == "a line\n"
        assert len(late.read_epochs("symmetric-0.5-0001")) == 3
        assert (late.root / "tensorboard" / "events").read_text() == "some"
        assert not late.read_epochs("symmetric-0.5-0003")
    # The table can be read there as it is.
    assert {"trials.parquet", "state.tar"} < set(Remote(late.address).names())


def test_a_file_that_is_replaced_while_it_is_read_is_read_whole(bucket: Bucket) -> None:
    remote, over = Remote(bucket.results), threading.Event()
    contents = {b"a" * 1000, b"b" * 300_000, b"c" * 17}

    def replace_it() -> None:
        for content in itertools.cycle(contents):
            remote.put("file", content)
            if over.is_set():
                return

    remote.put("file", b"c" * 17)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_it)
        try:
            read = [remote.get("file") for _ in range(40)]
        finally:
            over.set()
        writing.result()
    assert set(read) <= contents
    assert len(set(read)) > 1
    assert remote.get("another") is None


def test_one_driver_at_a_time(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = RemoteResults(bucket.results, "tiny"), RemoteResults(bucket.results, "tiny")
    with first.lease():
        refused = pytest.raises(SpecError, match=f"another driver is running .* .process {os.getpid()} on ")
        with refused, second.lease():
            pass
        first.keep(now=True)
        # One that was killed long ago keeps nobody away; and were it not killed, it writes no more.
        monkeypatch.setattr(study.results.remote, "LEASE_SECONDS", 0)
        with second.lease():
            second.keep(now=True)
            with pytest.raises(OSError, match="another one may have taken over"):
                first.keep(now=True)
    assert Remote(first.at(DRIVERS)).names() == []


def test_of_two_drivers_that_begin_at_once_not_both_go_on(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = RemoteResults(bucket.results, "tiny"), RemoteResults(bucket.results, "tiny")
    put, began = Remote.put, []

    def put_both(self: Remote, name: str, content: bytes) -> None:
        put(self, name, content)
        if not began:
            began.append(name)
            put(self, second._lease, json.dumps({"pid": 1, "host": "there"}).encode())

    monkeypatch.setattr(Remote, "put", put_both)
    with pytest.raises(SpecError, match=r"another driver .* \(process 1 on there\)"), first.lease():
        pass


def test_what_a_start_that_is_interrupted_wrote_is_kept(
    bucket: Bucket, write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("study.preflight.speed.measure_speed", lambda *_: Speed(1, 1, 1, 1))
    monkeypatch.setattr(
        "study.ray_cluster.connection.connected", lambda *_: nullcontext("none")
    )  # other tests' Ray may be up here
    monkeypatch.setattr("study.driver.run_study.compute_stages", interrupt)
    assert main(Arguments(write_study(), bucket.results)) == 130
    assert {"spec.json", "environment.json"} <= set(Remote(f"{bucket.results}/tiny").names())


@pytest.fixture
def job(bucket: Bucket, plan: Plan) -> Job:
    config = plan.searched_config(plan.conditions[0], {"mixmatch/lambda_u": 12.0}, 1).model_dump(mode="json")
    return Job("t", config, f"{bucket.results}/tiny/ray/trials/t", f"{bucket.results}/stages", 1, 0)


def test_a_trial_goes_on_on_another_node(job: Job, bucket: Bucket) -> None:
    with worked_on(job) as (own, send):
        (Path(own.folder) / "epochs.json").write_text("rows")
        (Path(own.folder) / "checkpoint.pt").write_text("2")
        (Path(own.folder) / "checkpoint.previous.pt").write_text("1")
        send()
    assert not Path(own.folder).exists()
    bucket.on_another_node()
    with worked_on(job) as (own, _):
        assert sorted(path.name for path in Path(own.folder).glob("[!.]*")) == ["checkpoint.pt", "epochs.json"]
        assert (Path(own.folder) / "checkpoint.pt").read_text() == "2"
    # A driver that died before it could note whom it gave this name may give it out again.
    with worked_on(replace(job, config=job.config | {"mixmatch": {"lambda_u": 50.0}})) as (other, _):
        assert not list(Path(other.folder).glob("[!.]*"))


def test_what_a_killed_worker_left_is_not_taken_for_the_trial(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def left_behind(job: Job, name: str, content: str) -> Path:
        with monkeypatch.context() as patch:
            patch.setattr(worked.shutil, "rmtree", lambda *_, **__: None)
            with worked_on(job) as (own, _):
                path = Path(own.folder, name)
        path.write_text(content)
        (path.parent / worked.OWNER).write_text("999999999")
        return path

    newer = left_behind(job, "checkpoint.pt", "newer than what was reported")
    others = left_behind(replace(job, folder=f"{job.folder}-2"), "checkpoint.pt", "another trial's")
    with worked_on(job):
        assert not newer.exists()
        assert not others.exists()
    hung = left_behind(job, HUNG, "where it hung")
    with worked_on(job):
        assert hung.read_text() == "where it hung"
    assert [Path(name).name for name in Remote(job.folder).names()] == [HUNG]


@pytest.fixture
def stage(plan: Plan) -> Stage:
    return next(stage for stage in shared_stages(plan) if stage.kind == "pre-training")


def test_a_stage_is_computed_once_for_all_nodes(
    stage: Stage, bucket: Bucket, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A folder of its name alone is no stage, such as one in which a worker was killed.
    (study.results.object_storage.own_copy(worked.STAGES, job.stages) / stage.key).mkdir(parents=True)
    assert progress_at(stage, job.stages) == 0
    assert compute_stage_at(stage, job.stages) == "computed"
    assert progress_at(stage, job.stages) == 1
    assert compute_stage_at(stage, job.stages) == "found"
    bucket.on_another_node()
    (study.results.object_storage.own_copy(worked.STAGES, job.stages) / stage.key).mkdir(parents=True)
    with worked_on(job) as (own, _):
        assert stage_file(stage, Path(own.stages)).exists()
    # Damaged there, it is computed anew, and sent.
    bucket.on_another_node()
    remote = Remote(f"{job.stages}/{stage.key}")
    remote.put("encoder.pt", b"damaged")
    assert compute_stage_at(stage, job.stages) == "computed"
    assert len(remote.get("encoder.pt") or b"") > 1000


def test_an_unfinished_stage_goes_on_on_another_node(
    stage: Stage, bucket: Bucket, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(stage: Stage, folder: Path) -> str:
        write_tensors(folder / stage.key / "unfinished.pt", {"epoch": torch.tensor(3)})
        (folder / stage.key / "progress").write_text("0.3")
        until(lambda: len(remote.names()) == 2)
        raise ConnectionError("the node is gone")

    remote = Remote(f"{job.stages}/{stage.key}")
    monkeypatch.setattr(worked, "STAGE_SECONDS", 0.05)
    monkeypatch.setattr(worked, "compute_stage", killed)
    assert progress_at(stage, job.stages) == 0
    with pytest.raises(ConnectionError):
        compute_stage_at(stage, job.stages)
    bucket.on_another_node()
    assert progress_at(stage, job.stages) == 0.3

    def go_on(stage: Stage, folder: Path) -> str:
        unfinished = folder / stage.key / "unfinished.pt"
        assert read_tensors(unfinished)["epoch"] == 3
        unfinished.unlink()
        (folder / stage.key / "progress").unlink()
        stage_file(stage, folder).write_text("it")
        return "computed"

    monkeypatch.setattr(worked, "compute_stage", go_on)
    compute_stage_at(stage, job.stages)
    assert remote.names() == ["encoder.pt"]


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ("s3://nobody/results", "there is no bucket nobody"),
        ("s3://bucket/x?endpoint_override=127.0.0.1:9&scheme=http", "Could not connect to server"),
        ("x://y/z", "Unrecognized filesystem type"),
        ("s3://key:secret@bucket/x", "give credentials in the environment"),
        ("s3://bucket/x?secret_key=secret", "allowed behind the ?: endpoint_override, region, scheme"),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_storage_that_cannot_be_used(
    results: str, why: str, write_study: WriteStudy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study.results.object_storage, "ATTEMPTS", 1)
    assert main(Arguments(write_study(), results, dry_run=True)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --results: ")
    assert why in said
    assert "Traceback" not in said
    assert "=secret" not in said
    assert ":secret" not in said
