"""Driver, node or head dies: nothing is lost, nothing is done twice. Simulated trainings, real Ray."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import ray  # noqa: F401  puts its own psutil on the path

from study.errors import SpecError
from study.preflight.checks import locked
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from tests.support.faulty import NO_STAGE, assert_whole, finished, node, start, trials_on
from tests.support.heads import started_head
from tests.support.studies import Head, WriteStudy
from tests.support.waits import end_of, until


@pytest.fixture
def file(write_study: WriteStudy) -> Path:
    """40 trials."""
    return write_study(**NO_STAGE, budget__trials_per_condition=20)


@pytest.fixture
def short_file(write_study: WriteStudy) -> Path:
    """10 trials."""
    return write_study(**NO_STAGE, budget__trials_per_condition=5)


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results" / "tiny")


def test_killed_at_six_random_moments(file: Path, folder: ResultsFolder, head: Head) -> None:
    draw, known = random.Random(0), dict[str, TrialRecord]()
    for kill in range(6):
        driver = start(file, folder, head)
        begun = folder.journal.stat().st_size if folder.journal.exists() else 0
        if kill % 2:
            until(lambda: len(finished(folder)) > len(known), driver)  # noqa: B023
        else:
            until(lambda: folder.journal.exists() and folder.journal.stat().st_size > begun, driver)  # noqa: B023
        time.sleep(draw.uniform(0, 1.2))
        assert driver.poll() is None, driver.communicate()[1]
        with pytest.raises(SpecError, match="another driver is running the study"), locked(folder):
            pass
        driver.kill()
        driver.communicate()
        with locked(folder):
            now = finished(folder)
            assert {name: now[name] for name in known} == known
            known = now
    driver = start(file, folder, head)
    said = end_of(driver)
    assert driver.returncode == 0, said
    assert "used: 40 trials" in said
    assert {name: finished(folder)[name] for name in known} == known
    assert len(known) < 40
    assert_whole(folder, 40)


def test_a_node_is_lost_and_another_one_joins(
    write_study: WriteStudy, folder: ResultsFolder, head: Head, tmp_path: Path
) -> None:
    import psutil

    file = write_study(**NO_STAGE, budget__trials_per_condition=3)
    with node(head, tmp_path / "second.log") as second:
        driver = start(file, folder, head, "held")
        until(lambda: trials_on(second, folder), driver)
        for process in psutil.Process(second.pid).children(recursive=True):
            process.kill()
    with node(head, tmp_path / "third.log") as third:
        until(lambda: trials_on(third, folder), driver)
        (folder.ray / "go").touch()
        said = end_of(driver)
    assert driver.returncode == 0, said
    assert_whole(folder, 6)
    times = Counter(line.rpartition(" ")[0] for line in (folder.ray / "epochs.log").read_text().splitlines())
    assert max(times.values()) <= 2
    assert sum(times.values()) - len(times) <= 2, "more was trained twice than the epochs under way on the lost node"


def test_a_lost_head(short_file: Path, folder: ResultsFolder, ray_folder: Path, tmp_path: Path) -> None:
    import psutil

    with started_head(ray_folder, tmp_path / "first.log") as first:
        driver = start(short_file, folder, first)
        until(lambda: len(finished(folder)) > 2, driver)
        (gcs,) = (own for own in psutil.Process(first.pid).children(recursive=True) if own.name() == "gcs_server")
        gcs.kill()
        said = end_of(driver)
    assert driver.returncode == 2, said
    assert "the head of the Ray cluster" in said
    assert "run the same command to resume" in said
    known = finished(folder)
    assert 2 < len(known) < 10
    with started_head(ray_folder, tmp_path / "second.log") as second:
        driver = start(short_file, folder, second)
        said = end_of(driver)
    assert driver.returncode == 0, said
    assert {name: finished(folder)[name] for name in known} == known
    assert_whole(folder, 10)


def test_a_clock_that_is_set_back(short_file: Path, folder: ResultsFolder, head: Head) -> None:
    """That of the driver; workers read none but the monotonic one."""
    driver = start(short_file, folder, head)
    until(lambda: len(finished(folder)) > 2, driver)
    (folder.root.parent / "set-back").touch()
    said = end_of(driver)
    assert driver.returncode == 0, said
    assert_whole(folder, 10)
    records = sorted(folder.read_trials(), key=lambda record: record.ended)
    assert records[-1].ended - records[0].ended > timedelta(days=1) / 2, "the clock was not set back"
    assert all(record.ended >= record.started for record in records)


@contextmanager
def read_only(folder: Path, aside: Path) -> Iterator[None]:
    """As a file system becomes after an error: what is open stays so.

    In one step, by a mount that is made read-only aside: one that is in use cannot be made so.
    """
    aside.mkdir()
    if (done := subprocess.run(["mount", "--bind", folder, aside], capture_output=True, text=True)).returncode:
        pytest.skip(f"may not mount: {done.stderr.strip()}")
    subprocess.run(["mount", "-o", "remount,bind,ro", aside], check=True)
    subprocess.run(["mount", "--bind", aside, folder], check=True)
    subprocess.run(["umount", aside], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_storage_that_becomes_read_only(short_file: Path, folder: ResultsFolder, head: Head, tmp_path: Path) -> None:
    driver = start(short_file, folder, head)
    until(lambda: len(finished(folder)) > 2, driver)
    with read_only(folder.root, tmp_path / "aside"):
        said = end_of(driver)
    assert driver.returncode == 2, said
    assert "Read-only file system" in said
    assert "run the same command to resume" in said
    assert "Traceback" not in said
    known = finished(folder)
    assert 2 < len(known) < 10
    driver = start(short_file, folder, head)
    said = end_of(driver)
    assert driver.returncode == 0, said
    assert {name: finished(folder)[name] for name in known} == known
    assert_whole(folder, 10)


def test_a_trial_that_eats_memory(
    write_study: WriteStudy, folder: ResultsFolder, ray_folder: Path, tmp_path: Path
) -> None:
    """Ray kills its worker before the node has none left.

    What it may take is half of what is free, far more than the tests beside it come to need.
    """
    import psutil

    one_by_one = {"resources__max_concurrent": 1, "conditions": [{"kind": "symmetric", "rate": 0.5}]}
    file = write_study(**NO_STAGE, **one_by_one, budget__trials_per_condition=3)
    memory = psutil.virtual_memory()
    allowed = (memory.total - memory.available / 2) / memory.total
    settings = {"RAY_memory_usage_threshold": str(allowed), "RAY_memory_monitor_refresh_ms": "100"}
    with started_head(ray_folder, tmp_path / "head.log", **settings) as head:
        driver = start(file, folder, head, "greedy")
        said = end_of(driver)
    assert driver.returncode == 0, said
    ended = {name[-4:]: record for name, record in finished(folder).items()}
    assert {name: record.status for name, record in ended.items()} == {
        "0000": "complete",
        "0001": "failed",
        "0002": "complete",
    }
    assert "the worker was lost: 1 worker(s) were killed due to the node running low on memory" in ended["0001"].cause
