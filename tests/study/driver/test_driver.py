"""Whole studies with known curves, through real Ray and real Optuna."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pyarrow.parquet as pq
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.driver.run_study import run_study
from study.monitor.console import Progress
from study.monitor.summary import closing
from study.plan.plan import load_plan
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.worker.job import Train
from tests.support import simulated
from tests.support.studies import WriteStudy

pytestmark = pytest.mark.usefixtures("local_ray")


def run(file: Path, results: Path, train: Train) -> tuple[ResultsFolder, dict[str, TrialRecord]]:
    plan = load_plan(file)
    folder = ResultsFolder(results)
    folder.root.mkdir(exist_ok=True)
    assert run_study(plan, folder, Progress(plan), train)
    return folder, {record.trial: record for record in folder.read_trials()}


def states(folder: ResultsFolder) -> Counter[str]:
    storage = JournalStorage(JournalFileBackend(str(folder.journal)))
    studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    return Counter(t.state.name for study in studies for t in study.trials if study.study_name.count(" ") == 0)


def test_finds_each_conditions_own_optimum(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(
        conditions=[{"kind": "symmetric", "rate": rate} for rate in simulated.OPTIMA],
        budget__trials_per_condition=20,
        pruner={"kind": "successive_halving", "min_budget": 4000},
    )
    folder, records = run(file, tmp_path / "results", simulated.curve)
    assert len(records) == 3 * 21
    for rate, optimum in simulated.OPTIMA.items():
        own = [r for r in records.values() if r.noise_rate == rate and r.status == "complete"]
        best = max(own, key=lambda r: r.objective)
        found = best.params["mixmatch/lambda_u"]
        assert isinstance(found, float)
        assert optimum / 1.6 < found < optimum * 1.6
        told = [line for line in closing(load_plan(file), folder) if line.startswith(f"{own[0].condition}: best")]
        valued = max((r for r in own if not r.baseline), key=lambda r: r.value)
        assert len(told) == 1
        assert valued.trial in told[0]
    pruned = [r for r in records.values() if r.status == "pruned"]
    assert pruned
    assert all(r.samples < r.budget and not r.baseline for r in pruned)
    assert states(folder)["PRUNED"] == len(pruned)
    assert {r.status for r in records.values() if r.baseline} == {"complete"}
    rows = pq.read_table(folder.trials).num_rows
    assert rows == len(list(folder.epochs.iterdir())) == len(records)


def test_failures_have_a_cause_and_the_study_goes_on(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(conditions=[{"kind": "symmetric", "rate": 0.5}], budget__trials_per_condition=5)
    folder, records = run(file, tmp_path / "results", simulated.troubled)
    causes = {name[-4:]: record.cause for name, record in records.items() if record.status == "failed"}
    assert causes == {
        "0002": "val_acc is nan in epoch 2",
        "0003": "FloatingPointError: the training loss became nan in epoch 2",
        "0004": "epoch 2 reported no val_acc",
    }
    assert states(folder) == {"COMPLETE": 3, "FAIL": 3}  # a baseline that is a point of the space counts there too
    assert "FloatingPointError" in (folder.ray / "trials" / "symmetric-0.5-0003" / "error.txt").read_text()
    assert records["symmetric-0.5-0005"].status == "complete"


def test_a_costly_setting_beside_a_switch(write_study: WriteStudy, tmp_path: Path) -> None:
    """Each trial takes 8 x .01 s, which breaks the bound; loss is never reported, which breaks it too."""
    space = {
        "contrastive/weight": {"type": "categorical", "choices": [0, 0.5]},
        "contrastive/temperature": {"type": "float", "low": 0.4, "high": 1, "when": {"contrastive/weight": 0.5}},
    }
    file = write_study(
        conditions=[{"kind": "symmetric", "rate": 0.5}],
        budget__trials_per_condition=12,
        objective={"cost": "seconds"},
        constraints={"seconds": {"max": 0.07}, "val_loss": {"max": 2}},
        space=space,
    )
    folder, records = run(file, tmp_path / "results", simulated.curve)
    assert states(folder)["COMPLETE"] >= 12
    searched = [record for record in records.values() if not record.baseline]
    assert len({len(record.params) for record in searched}) == 2
    for record in searched:
        on = record.params["contrastive/weight"] == 0.5
        assert record.config["contrastive"]["temperature"] == record.params.get("contrastive/temperature", 0.3)
        assert ("contrastive/temperature" in record.params) == on
        assert record.constraints == {"seconds": pytest.approx(0.01), "val_loss": math.inf}
        assert not record.can_be_best
    table = pq.read_table(folder.trials)["param/contrastive/temperature"]
    assert table.null_count == sum(len(record.params) == 1 for record in records.values())


def test_a_killed_worker_costs_no_epoch(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(conditions=[{"kind": "symmetric", "rate": 0.5}], budget__trials_per_condition=2)
    folder, records = run(file, tmp_path / "results", simulated.killed)
    assert folder.stages.with_name("killed-symmetric-0.5-0001").exists()
    assert {record.status for record in records.values()} == {"complete"}
    for name in records:
        assert [row["epoch"] for row in folder.read_epochs(name)] == list(range(simulated.EPOCHS))


def test_what_a_killed_driver_left_of_ended_trials_is_removed(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(conditions=[{"kind": "symmetric", "rate": 0.5}], budget__trials_per_condition=3)
    folder, records = run(file, tmp_path / "results", simulated.troubled)
    ended, failed = (folder.ray / "trials" / f"symmetric-0.5-000{k}" for k in (1, 3))
    assert records[ended.name].status == "complete"
    ended.mkdir()
    (ended / "checkpoint.pt").touch()
    run(file, tmp_path / "results", simulated.troubled)
    assert not ended.exists()
    assert failed.exists()


def test_a_trial_that_hangs_fails_and_gives_its_resources_back(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(
        conditions=[{"kind": "symmetric", "rate": 0.5}],
        budget__trials_per_condition=3,
        resources={"cpus_per_trial": 2, "epoch_timeout_minutes": 0.05},
    )
    folder, records = run(file, tmp_path / "results", simulated.hung)
    assert [record.status for record in records.values()] == ["complete", "failed", "complete", "complete"]
    told = records["symmetric-0.5-0001"].cause
    assert told == "Hung: no epoch within 0.05 minutes; hung.txt in the trial's folder says where it hung"
    assert "simulated.py" in (folder.ray / "trials" / "symmetric-0.5-0001" / "hung.txt").read_text()
    assert [row["epoch"] for row in folder.read_epochs("symmetric-0.5-0001")] == [0, 1, 2]


def test_a_finished_study_grows(write_study: WriteStudy, tmp_path: Path) -> None:
    _, before = run(write_study(), tmp_path / "results", simulated.curve)
    wider = write_study(
        budget__trials_per_condition=4,
        conditions=[{"kind": "symmetric", "rate": rate} for rate in (0.2, 0.5, 0.8)],
    )
    _, after = run(wider, tmp_path / "results", simulated.curve)
    assert len(before) == 2 * 3
    assert len(after) == 3 * 5
    assert all(math.isfinite(record.value) for record in after.values() if not record.baseline)
    for name, record in before.items():  # but for the value, by a model that knows more trials now
        assert replace(after[name], value=0.0) == replace(record, value=0.0)
