"""The command line, with real trainings: Ctrl-C, then kill -9, then to the end."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from study.results.folder import ResultsFolder
from study.worker.job import Job
from study.worker.trainable import train
from tests.support.interrupted import left, start, told, under_way
from tests.support.studies import WriteStudy
from tests.support.waits import end_of, until


@pytest.mark.usefixtures("ray_folder")
def test_the_same_command_goes_on(write_study: WriteStudy, tmp_path: Path) -> None:
    file, folder = write_study(), ResultsFolder(tmp_path / "results" / "tiny")

    driver = start(file, folder.root.parent)
    until(under_way(folder, 1), driver)
    driver.send_signal(signal.SIGINT)
    said = end_of(driver)
    assert driver.returncode == 130
    assert "run the same command to resume" in said
    assert "Traceback" not in said
    first = {record.trial for record in folder.read_trials() if record.status == "complete"}

    driver = start(file, folder.root.parent)
    until(under_way(folder, len(first) + 1), driver)
    driver.kill()
    driver.communicate()
    with folder.journal.open("a") as journal:
        journal.write('{"op_code":4,"wor')  # what a kill in the middle of a write leaves
    interrupted = left(folder) - {record.trial for record in folder.read_trials() if record.status == "complete"}
    assert interrupted

    driver = start(file, folder.root.parent)
    said = end_of(driver)
    assert driver.returncode == 0, said
    records = {record.trial: record for record in folder.read_trials()}
    assert len(records) == len(folder.read_trials()) == 6
    assert {record.status for record in records.values()} == {"complete"}
    for record in records.values():
        epochs = [row["epoch"] for row in folder.read_epochs(record.trial)]
        assert epochs == list(range(1, len(epochs) + 1))  # epoch 0 is the shared pre-training, 1 the shared warm-up
        assert record.epochs == len(epochs)
        assert record.samples >= record.budget
    assert told(folder) == dict.fromkeys(records, 1)
    assert not any(folder.ray.glob("trials/*/checkpoint.pt"))
    for name in interrupted:
        assert_as_if_never_interrupted(folder, records[name].config, name, tmp_path / "again")


def assert_as_if_never_interrupted(folder: ResultsFolder, config: dict[str, Any], name: str, scratch: Path) -> None:
    first, *rest = train(Job(name, config, str(scratch), str(folder.stages), 1, 1e9))
    rows = [*first.pop("history"), first, *rest]  # the shared warm-up in front
    recorded = folder.read_epochs(name)
    for field in ("samples", "loss", "val_acc", "oracle_test_acc"):
        assert json.dumps([row[field] for row in rows]) == json.dumps([row[field] for row in recorded])


def test_a_killed_driver_leaves_no_process(write_study: WriteStudy, tmp_path: Path, ray_folder: Path) -> None:
    folder = ResultsFolder(tmp_path / "results" / "tiny")
    driver = start(write_study(), folder.root.parent)
    until(lambda: any(folder.ray.glob("trials/*/checkpoint.pt")), driver)
    sessions = [path.name for path in ray_folder.glob(f"ray/session_*_{driver.pid}")]
    assert len(sessions) == 1
    assert processes(sessions[0])
    driver.kill()
    driver.communicate()
    until(lambda: not processes(sessions[0]))


def test_ctrl_c_twice_ends_at_once_and_the_same_command_goes_on(
    write_study: WriteStudy, tmp_path: Path, ray_folder: Path
) -> None:
    folder = ResultsFolder(tmp_path / "results" / "tiny")
    file = write_study(baselines={}, budget__trials_per_condition=1)
    driver = start(file, folder.root.parent)
    until(lambda: any(folder.ray.glob("trials/*/checkpoint.pt")), driver)
    (session,) = (path.name for path in ray_folder.glob(f"ray/session_*_{driver.pid}"))
    driver.send_signal(signal.SIGINT)
    time.sleep(0.2)
    driver.send_signal(signal.SIGINT)
    said = end_of(driver)
    assert driver.returncode == 130, said
    assert "Traceback" not in said
    assert processes(session) == []
    assert not any(ray_folder.glob(f"ray/{session}"))
    assert {record.status for record in folder.read_trials()} <= {"running", "complete"}
    driver = start(file, folder.root.parent)
    said = end_of(driver)
    assert driver.returncode == 0, said
    records = folder.read_trials()
    assert [record.status for record in records] == ["complete"] * 2
    for record in records:
        epochs = [row["epoch"] for row in folder.read_epochs(record.trial)]
        assert epochs == list(range(1, record.epochs + 1))
    assert told(folder) == {record.trial: 1 for record in records}


def processes(session: str) -> list[str]:
    """Command lines that name a Ray session."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if session in command:
            found.append(command)
    return found
