"""Driver, node or head dies: nothing is lost, nothing is done twice. Simulated trainings, real Ray."""

import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
import ray  # noqa: F401  puts its own psutil on the path
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.errors import SpecError
from study.preflight.checks import locked
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from tests.support import simulated
from tests.support.heads import ray_process, started_head
from tests.support.studies import HERE, Head, Host, WriteStudy
from tests.support.waits import end_of, until

DRIVE = """
import sys
from pathlib import Path
from tests.support import simulated
import study.driver.run_study, study.ray_cluster.head_watch, study.ray_cluster.nodes
import study.results.remote, study.results.object_storage
from study.driver.run_study import run_study
from study.preflight.forecast import Speed
from study.run import Arguments, main
study.ray_cluster.nodes.measured_speed = lambda *_: Speed(1, 1, 1, 1)
study.ray_cluster.nodes.require_able = lambda *_: None
study.ray_cluster.head_watch.PATIENCE_SECONDS = 3
study.driver.run_study.WORKER_FAILURES = 1
run_study.__defaults__ = (getattr(simulated, sys.argv[4]), None)
simulated.set_back_clock_once(Path(sys.argv[2], "set-back"))
study.results.remote.LEASE_SECONDS = 5
study.results.remote.SEND_SECONDS = 1
study.results.object_storage.ATTEMPTS = 3
sys.exit(main(Arguments(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
"""
"""The command line, but that trials are simulated and nodes are taken for able."""


NO_STAGE = {
    "fixed__method": "dividemix",
    "fixed__pretrain": {"epochs": 0},
    "fixed__warmup": {"epochs": 1, "seed": None},
    "baselines": {},
}
"""No stage is shared, so that a driver begins with its trials."""


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


def start(file: Path, folder: ResultsFolder, head: Head, train: str = "slow") -> "subprocess.Popen[str]":
    arguments = [str(file), str(folder.root.parent), head.address, train]
    command = [*head.host.inside, sys.executable, "-c", DRIVE, *arguments]
    return subprocess.Popen(command, env=head.environment, stderr=subprocess.PIPE, text=True)


def finished(folder: ResultsFolder) -> dict[str, TrialRecord]:
    return {record.trial: record for record in folder.read_trials() if record.status != "running"}


def told(folder: ResultsFolder) -> dict[str, Counter[str]]:
    """States of a trial's attempts, as Optuna knows them."""
    storage, states = JournalStorage(JournalFileBackend(str(folder.journal))), defaultdict[str, Counter[str]](Counter)
    for name in optuna.get_all_study_names(storage):
        for trial in optuna.load_study(study_name=name, storage=storage).trials:
            cause = trial.user_attrs.get("cause", "")
            states[trial.user_attrs.get("trial", "")][f"{trial.state.name} {cause}".strip()] += 1
    return dict(states)


def assert_whole(folder: ResultsFolder, trials: int) -> None:
    """Each trial once in the tables, complete, with each epoch once; each once complete in Optuna."""
    records = folder.read_trials()
    assert len(records) == len({record.trial for record in records}) == trials
    assert {record.status for record in records} == {"complete"}
    for record in records:
        assert [row["epoch"] for row in folder.read_epochs(record.trial)] == list(range(simulated.EPOCHS))
    states = told(folder)
    states.pop("", None)  # killed between the question and the name
    assert states.keys() == {record.trial for record in records}
    for attempts in states.values():
        assert attempts.pop("COMPLETE") == 1
        assert set(attempts) <= {"FAIL interrupted"}
    assert not any(folder.ray.glob("trials/*/checkpoint.pt"))


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


@contextmanager
def node(head: Head, log: Path, host: Host = HERE) -> Iterator["subprocess.Popen[Any]"]:
    """One more, of two CPUs, that joins the cluster."""
    command = [*host.inside, *head.start, *host.options, f"--address={head.address}"]
    with ray_process(command, head.environment, log, r"(Ray runtime started)") as (process, _):
        yield process


def trials_on(joined: "subprocess.Popen[Any]", folder: ResultsFolder) -> set[str]:
    """Those that have trained an epoch in a process of that node."""
    import psutil

    own = {process.pid for process in psutil.Process(joined.pid).children(recursive=True)}
    log = folder.ray / "epochs.log"
    noted = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return {trial for trial, _, pid in noted if int(pid) in own}


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
    """Ray kills its worker before the node has none left."""
    import psutil

    one_by_one = {"resources__max_concurrent": 1, "conditions": [{"kind": "symmetric", "rate": 0.5}]}
    file = write_study(**NO_STAGE, **one_by_one, budget__trials_per_condition=3)
    memory = psutil.virtual_memory()
    allowed = (memory.total - memory.available + 3 * 2**30) / memory.total
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
