"""The storage of the results is full in the middle of a study, with real trainings: it stops, says so, and goes on once
there is room again."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from study.results.folder import ResultsFolder
from tests.support.faulty import finished
from tests.support.interrupted import left, start, told, under_way
from tests.support.studies import WriteStudy
from tests.support.waits import end_of, until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"may not mount: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.usefixtures("ray_folder")
def test_a_full_disk_stops_the_study_and_costs_nothing(
    write_study: WriteStudy, tmp_path: Path, small_disk: Path
) -> None:
    file, folder, filler = write_study(), ResultsFolder(small_disk / "results" / "tiny"), small_disk / "filler"

    driver = start(file, folder.root.parent)
    until(under_way(folder, 1), driver)
    with suppress(OSError), filler.open("wb", buffering=0) as rest:
        while True:
            rest.write(bytes(4096))
    said = end_of(driver)
    assert driver.returncode == 2, said
    assert "No space left on device" in said
    assert "run the same command to resume" in said
    assert "Traceback" not in said
    before = {record.trial: record for record in folder.read_trials()}
    assert {record.status for record in before.values()} <= {"running", "complete"}
    complete = finished(folder)
    assert complete
    assert len(complete) < 6
    assert not list(folder.root.rglob(".*.parquet.*"))

    filler.unlink()
    driver = start(file, folder.root.parent)
    said = end_of(driver)
    assert driver.returncode == 0, said
    records = {record.trial: record for record in folder.read_trials()}
    assert len(records) == len(folder.read_trials()) == 6
    assert {record.status for record in records.values()} == {"complete"}
    assert {name: finished(folder)[name] for name in complete} == complete
    for name in records:
        epochs = [row["epoch"] for row in folder.read_epochs(name)]
        assert epochs == list(range(epochs[0], epochs[0] + records[name].epochs))
    assert told(folder) == dict.fromkeys(records, 1)
    assert not left(folder)
