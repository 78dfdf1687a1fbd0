"""Studies whose trials are compared by their consensus, through real Ray and real Optuna."""

import math
from pathlib import Path

import pytest

from analysis.frames.load import load_trials
from analysis.tables.selection import finished_trials
from study.driver.run_study import run_study
from study.monitor.console import Progress
from study.monitor.recorder import Recorder
from study.plan.plan import Plan, load_plan
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.search.optuna_search import Search
from tests.support import simulated
from tests.support.studies import WriteStudy

ONE = {"conditions": [{"kind": "symmetric", "rate": 0.5}], "objective": {"consensus": True}}
WHERE = "symmetric-0.5"


def run(plan: Plan, folder: ResultsFolder) -> dict[str, TrialRecord]:
    folder.root.mkdir(exist_ok=True)
    assert run_study(plan, folder, Progress(plan), simulated.predicting)
    return {record.trial: record for record in folder.read_trials()}


def worth(record: TrialRecord) -> float:
    found = record.params["mixmatch/lambda_u"]
    assert isinstance(found, float)
    return simulated.value(0.5, found)


@pytest.mark.usefixtures("local_ray")
def test_luck_does_not_decide(write_study: WriteStudy, tmp_path: Path) -> None:
    """Objectives are pure luck here; predictions tell which settings are good. A study that grows, or whose driver
    starts anew, has the consensus of all its trials."""
    folder = ResultsFolder(tmp_path / "results")
    first = run(load_plan(write_study(**ONE, budget__trials_per_condition=6)), folder)
    plan = load_plan(write_study(**ONE, budget__trials_per_condition=16))
    records = run(plan, folder)
    searched = [record for record in records.values() if not record.baseline]
    lucky, best = max(searched, key=lambda r: r.objective), max(searched, key=lambda r: r.value)
    assert worth(best) > worth(lucky)
    assert worth(best) > max(map(worth, searched)) - 0.03
    assert all(math.isfinite(record.consensus) for record in records.values())
    assert any(record.consensus != records[name].consensus for name, record in first.items())

    recorder = Recorder(plan, folder)
    agreed = recorder.consensus(WHERE)
    assert agreed == pytest.approx({name: record.consensus for name, record in records.items()})

    search = Search(plan, folder.journal, recorder.finished(), recorder.consensus)
    known = [trial.objective for trial in search._known(WHERE, search._searched[WHERE])]
    assert sorted(known) == pytest.approx(sorted(agreed.values()))  # the baseline is a point of the space
    compared = finished_trials(load_trials(folder.root), WHERE)["objective"]
    assert sorted(compared) == pytest.approx(sorted(record.consensus for record in searched))


@pytest.mark.usefixtures("local_ray")
def test_without_it_no_predictions_are_kept(write_study: WriteStudy, tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path / "results")
    plan = load_plan(write_study(conditions=ONE["conditions"], budget__trials_per_condition=3))
    records = run(plan, folder)
    assert all(math.isnan(record.consensus) for record in records.values())
    assert {folder.read_predictions(name) for name in records} == {None}
    assert Recorder(plan, folder).consensus(WHERE) == {}
