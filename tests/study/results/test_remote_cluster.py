"""Results on object storage: the nodes of a cluster share no disk, with each other or with the driver."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.frames.load import load_trials
from study.results.object_storage import Remote
from study.results.remote import RemoteResults
from tests.support.buckets import KEYS, Bucket, Line
from tests.support.faulty import DRIVE, NO_STAGE, assert_whole, finished
from tests.support.heads import started_head
from tests.support.studies import HERE, Head, Host, WriteStudy
from tests.support.waits import end_of, until


@pytest.fixture
def cluster(bucket: Bucket, ray_folder: Path, tmp_path: Path) -> Iterator[Head]:
    """Its node has a scratch folder of its own, and sees nothing of the drivers'."""
    drivers = tmp_path / "drivers"
    drivers.mkdir()
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(drivers))
    allowed = subprocess.run([*hidden, "true"], capture_output=True).returncode == 0
    node, own = Host(hidden) if allowed else HERE, {**KEYS, "CODIM_SCRATCH": str(tmp_path / "node")}
    with started_head(ray_folder, tmp_path / "head.log", node, **own) as head:
        yield head._replace(host=HERE)


def test_the_storage_goes_away_and_another_machine_goes_on(
    write_study: WriteStudy, cluster: Head, bucket: Bucket, line: Line, tmp_path: Path
) -> None:
    file = write_study(**NO_STAGE, budget__trials_per_condition=6)

    def start(scratch: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", DRIVE, str(file), bucket.results, cluster.address, "slow"]
        environment = cluster.environment | {"CODIM_SCRATCH": str(scratch)}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def fetched() -> RemoteResults:
        folder = RemoteResults.of(f"{bucket.results}/tiny")
        folder.refresh()
        return folder

    driver = start(tmp_path / "drivers" / "first")
    until(lambda: len(finished(fetched())) > 2, driver)
    line.cut()
    said = end_of(driver)
    assert driver.returncode == 2, said
    assert "run the same command to resume" in said
    assert "Traceback" not in said
    line.mend()
    known = finished(fetched())
    assert 2 < len(known) < 12
    time.sleep(6)  # it could not give its lease back

    driver = start(tmp_path / "drivers" / "second")
    said = end_of(driver)
    assert driver.returncode == 0, said
    folder = fetched()
    assert {name: finished(folder)[name] for name in known} == known
    assert_whole(folder, 12)
    assert len(load_trials(f"{bucket.results}/tiny").trials) == 12
    # Of what trials need to go on nothing stays, there or here.
    assert Remote(f"{bucket.results}/tiny/ray").names() == []
    assert not list((tmp_path / "node").glob("codim-study-*/trials/*/0/*"))
