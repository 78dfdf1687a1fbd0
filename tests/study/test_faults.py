"""The driver dies, again and again: nothing is lost, nothing is done twice. Simulated trainings, real Ray."""

import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import ray  # noqa: F401  puts its own psutil on the path
import simulated
from conftest import wait_for_line
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from studies import Head, WriteStudy

from study.preflight import locked
from study.records import ResultsFolder, TrialRecord
from study.source import SpecError

DRIVE = """
import sys
from pathlib import Path
import simulated, study.speed
from study.driver import run_study
from study.forecast import Speed
from study.run import Arguments, main
study.speed.measure_speed = lambda config, threads: Speed(1, 1, 1, 1)
run_study.__defaults__ = (simulated.slow, None)
sys.exit(main(Arguments(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
"""
"""The command line, but that trials are simulated."""


@pytest.fixture
def file(write_study: WriteStudy) -> Path:
    no_stage = {"method": "dividemix", "pretrain": {"epochs": 0}}
    return write_study(
        **{f"fixed__{name}": value for name, value in no_stage.items()}, baselines={}, budget__trials_per_condition=20
    )


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results" / "tiny")


def start(file: Path, folder: ResultsFolder, head: Head) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", DRIVE, str(file), str(folder.root.parent), head.address]
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


def test_killed_at_ten_random_moments(file: Path, folder: ResultsFolder, head: Head) -> None:
    draw, known = random.Random(0), dict[str, TrialRecord]()
    for kill in range(10):
        driver = start(file, folder, head)
        begun = folder.journal.stat().st_size if folder.journal.exists() else 0
        until_trial_ends = kill % 2
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and driver.poll() is None:
            if until_trial_ends and len(finished(folder)) > len(known):
                break
            if not until_trial_ends and folder.journal.exists() and folder.journal.stat().st_size > begun:
                break
            time.sleep(0.02)
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
    said = driver.communicate(timeout=200)[1]
    assert driver.returncode == 0, said
    assert "used: 40 trials" in said
    assert {name: finished(folder)[name] for name in known} == known
    assert len(known) < 40
    assert_whole(folder, 40)


@contextmanager
def node(head: Head, log: Path) -> Iterator["subprocess.Popen[Any]"]:
    """One more, of two CPUs, that joins the cluster."""
    with log.open("w") as file:
        command = [*head.start, f"--address={head.address}"]
        process = subprocess.Popen(command, env=head.environment, stdout=file, stderr=file)
    try:
        wait_for_line(r"(Ray runtime started)", log, process)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def trials_on(joined: "subprocess.Popen[Any]", folder: ResultsFolder) -> set[str]:
    """Those that have trained an epoch in a process of that node."""
    import psutil

    own = {process.pid for process in psutil.Process(joined.pid).children(recursive=True)}
    log = folder.ray / "epochs.log"
    noted = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return {trial for trial, _, pid in noted if int(pid) in own}


def until(happened: Callable[[], Any], driver: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_lost_node(file: Path, folder: ResultsFolder, head: Head, tmp_path: Path) -> None:
    import psutil

    with node(head, tmp_path / "second.log") as second:
        driver = start(file, folder, head)
        until(lambda: trials_on(second, folder), driver)
        for process in psutil.Process(second.pid).children(recursive=True):
            process.kill()
        said = driver.communicate(timeout=200)[1]
    assert driver.returncode == 0, said
    assert_whole(folder, 40)
    times = Counter(line.rpartition(" ")[0] for line in (folder.ray / "epochs.log").read_text().splitlines())
    assert max(times.values()) <= 2
    assert sum(times.values()) - len(times) <= 2, "more was trained twice than the epochs under way on the lost node"
