"""Trials of two workers, as real Ray Train runs inside real Tune trials."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from ray.util.state import list_actors

from study.driver.run_study import run_study
from study.monitor.console import Progress
from study.plan.plan import load_plan
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.worker.job import Job, Train
from study.worker.trainable import train
from tests.support import workers_of_trials
from tests.support.studies import WriteStudy
from tests.support.waits import LIMIT_SECONDS, loopback, until

pytestmark = pytest.mark.usefixtures("local_ray")
TWO_WORKERS = {"workers_per_trial": 2, "cpus_per_trial": 2}


def run(file: Path, results: Path, train: Train) -> tuple[ResultsFolder, list[TrialRecord]]:
    folder = ResultsFolder(results)
    folder.root.mkdir()
    assert run_study(load_plan(file), folder, Progress(load_plan(file)), train)
    return folder, sorted(folder.read_trials(), key=lambda record: record.trial)


def test_a_killed_worker_costs_no_epoch_and_the_curve_is_that_of_one_worker(
    write_study: WriteStudy, tmp_path: Path
) -> None:
    file = write_study(
        conditions=[{"kind": "symmetric", "rate": 0.5}],
        baselines={},
        budget__trials_per_condition=1,
        resources=TWO_WORKERS,
    )
    folder, [record] = run(file, tmp_path / "results", workers_of_trials.killed_once)
    assert (record.status, record.cause) == ("complete", "")
    for rank in range(2):
        first, again = folder.stages.with_name(f"starts-{rank}").read_text().splitlines()
        assert first == "0 of 2"
        assert again in ("3 of 2", "4 of 2")  # whether the first worker had written its checkpoint by then
        sockets = folder.stages.with_name(f"sockets-{rank}").read_text().split()
        assert sockets
        assert all(map(loopback, sockets))
    found = folder.read_epochs(record.trial)
    assert not (folder.ray / "trials" / record.trial).exists()

    expected = list(train(Job("alone", record.config, str(tmp_path / "alone"), str(tmp_path / "stages"), 1, 1e9)))
    assert [row["epoch"] for row in found] == list(range(len(expected)))
    for own, row in zip(found, expected, strict=True):
        for name in ("samples", "loss", "val_acc", "labelled_fraction", "oracle_test_acc"):
            assert own[name] == pytest.approx(row[name], rel=1e-3, abs=1e-3, nan_ok=True), (row["epoch"], name)


def test_what_a_trial_held_returns_however_it_ends(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(
        conditions=[{"kind": "symmetric", "rate": 0.5}],
        baselines={},
        budget__trials_per_condition=3,
        pruner={"kind": "successive_halving", "min_budget": 4000},
        resources=TWO_WORKERS,
    )
    # On two CPUs each trial waits for all that the one before it held.
    folder, [good, broken, poor] = run(file, tmp_path / "results", workers_of_trials.good_broken_poor)
    assert (good.status, good.epochs) == ("complete", 8)
    assert (broken.status, broken.epochs) == ("failed", 2)
    assert broken.cause == "FloatingPointError: the training loss became nan in epoch 2"
    own = folder.ray / "trials" / broken.trial
    assert "FloatingPointError" in (own / "error.txt").read_text()
    assert [path.name for path in own.iterdir()] == ["error.txt"]
    assert (poor.status, poor.epochs) == ("pruned", 4)
    for number in range(3):
        assert sorted(folder.stages.with_name(f"starts-{number}").read_text().split()) == ["0", "1"], (
            "a trial was run again"
        )
    until(lambda: ray.available_resources().get("CPU") == 2 and not alive())


def test_a_trial_that_hangs_fails(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(
        conditions=[{"kind": "symmetric", "rate": 0.5}],
        baselines={},
        budget__trials_per_condition=1,
        resources={**TWO_WORKERS, "epoch_timeout_minutes": 0.05},
    )
    folder, [record] = run(file, tmp_path / "results", workers_of_trials.hung)
    assert record.status == "failed"
    assert record.cause == "Hung: no epoch within 0.05 minutes; hung.txt in the trial's folder says where it hung"
    assert [row["epoch"] for row in folder.read_epochs(record.trial)] == [0, 1, 2]
    assert "workers_of_trials.py" in (folder.ray / "trials" / record.trial / "hung.txt").read_text()


@pytest.mark.usefixtures("ray_folder")
def test_without_a_dashboard_it_is_refused() -> None:
    program = """
import ray
from study.ray_cluster.connection import require_dashboard
from study.ray_cluster.own_ray import ClusterError
from study.spec.sections import Resources
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
require_dashboard(Resources())
try:
    require_dashboard(Resources(cpus_per_trial=2, workers_per_trial=2))
except ClusterError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=LIMIT_SECONDS
    )
    assert "several workers need Ray's dashboard, without which a pruned trial never" in done.stdout, done.stderr


def alive() -> list[str]:
    """Ray Train's processes, but for the one that all runs of a cluster share."""
    address = ray.get_runtime_context().gcs_address
    names = [actor.class_name for actor in list_actors(address=address, filters=[("state", "!=", "DEAD")])]
    return [name for name in names if name != "_AutoscalingCoordinatorActor"]
