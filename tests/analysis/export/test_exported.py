"""What other programs read back is what the tables hold; what cannot be written is said."""

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis.__main__ import main
from analysis.frames.load import Trials
from tests.support import synthetic
from tests.support.synthetic import record

FORMATS = ("optuna", "mlflow", "markdown", "latex", "csv")
CONDITION = "symmetric-0.5"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trials of one condition, of a study of four."""
    trials = [t for t in synthetic.records() if t.condition == CONDITION]
    return synthetic.write(tmp_path_factory.mktemp("results") / "digits", trials)


def export(root: Path, to: str, output: Path) -> int:
    return main(["export", str(root), "--to", to, "--output", str(output)])


@pytest.mark.parametrize("name", ["digits.db", "digits.journal"])
def test_optuna_reads_every_trial_back(
    root: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / name
    assert export(root, "optuna", path) == 0
    storage: Any = f"sqlite:///{path}" if path.suffix == ".db" else JournalStorage(JournalFileBackend(str(path)))
    assert set(optuna.get_all_study_names(storage)) == {f"digits {name}" for name in synthetic.CONDITIONS}
    read = optuna.load_study(study_name=f"digits {CONDITION}", storage=storage)
    expected = {t.trial: t for t in synthetic.records() if t.condition == CONDITION}
    assert [trial.user_attrs["trial"] for trial in read.trials] == sorted(expected)
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    for trial in read.trials:
        own = expected[trial.user_attrs["trial"]]
        assert trial.state == states.get(own.status, TrialState.RUNNING)
        assert trial.value == (own.objective if own.status in ("complete", "pruned") else None)
        assert {path: trial.user_attrs[f"param/{path}"] for path in own.params} == own.params
        if not own.baseline:
            assert trial.params == {k: v for k, v in own.params.items() if (k, v) != ("mixmatch/lambda_u", 0.0)}
        curve = [row for row in synthetic.epochs(own) if not math.isnan(row["val_acc"])]
        assert trial.intermediate_values == {row["samples"]: row["val_acc"] for row in curve}
    first = read.trials[0]
    assert first.user_attrs["baseline"] == "ce"
    assert first.user_attrs["oracle_test_acc"] == synthetic.BASELINES["ce"]
    assert first.user_attrs["oracle_noise_rate"] == synthetic.CONDITIONS[CONDITION][2]
    assert "contrastive/weight" not in first.params  # 0 lies outside its range
    assert first.duration is not None
    assert first.duration.total_seconds() == 3600
    assert optuna.importance.get_param_importances(read)
    best = max((t for t in expected.values() if t.status == "complete"), key=lambda t: t.objective)
    assert read.best_trial.user_attrs["trial"] == best.trial
    refused_the_second_time(root, "optuna", path, "Optuna study", capsys)


def refused_the_second_time(root: Path, to: str, path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = path.read_bytes()
    assert capsys.readouterr().err == ""
    assert export(root, to, path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path} has an {what} 'digits" in line
    assert line.endswith("already; give another --output")
    assert path.read_bytes() == before


def test_a_study_with_two_objectives_has_both_in_optuna(tmp_path: Path) -> None:
    spec = synthetic.SPEC | {"objective": synthetic.SPEC["objective"] | {"cost": "seconds"}}
    complete = [t for t in synthetic.records() if t.status == "complete" and t.condition == CONDITION]
    root = synthetic.write(tmp_path / "digits", complete, spec=spec)
    assert export(root, "optuna", tmp_path / "two.db") == 0
    read = optuna.load_study(study_name=f"digits {CONDITION}", storage=f"sqlite:///{tmp_path / 'two.db'}")
    assert [direction.name for direction in read.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert {tuple(t.values) for t in read.trials} == {(t.objective, t.seconds) for t in complete}


def test_a_trial_beyond_a_bound_is_not_feasible_in_optuna(tmp_path: Path) -> None:
    trials = [record(CONDITION, 0, 0.9, constraints={"seconds": 20.0}), record(CONDITION, 1, 0.8)]
    assert export(synthetic.write(tmp_path / "digits", trials), "optuna", tmp_path / "bounds.db") == 0
    read = optuna.load_study(study_name=f"digits {CONDITION}", storage=f"sqlite:///{tmp_path / 'bounds.db'}")
    assert read.best_trial.number == 1


def test_mlflow_reads_every_trial_back(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    from study.monitor.loggers.base import values_of

    monkeypatch.chdir(tmp_path)
    assert export(root, "mlflow", Path("mlflow.db")) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id], max_results=1000)}
    expected = {t.trial: t for t in synthetic.records() if t.condition == CONDITION}
    assert set(runs) == set(expected)
    status = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "running": "RUNNING"}
    for name, run in runs.items():
        own = expected[name]
        assert run.info.status == status[own.status]
        assert run.data.params == {path: str(value) for path, value in own.params.items()}
        assert run.data.metrics.get("objective", math.nan) == pytest.approx(own.objective, nan_ok=True)
        assert (run.data.tags["condition"], run.data.tags["method"]) == (own.condition, own.baseline or "search")
    one = runs[f"{CONDITION}-0001"]
    assert one.info.end_time - one.info.start_time == 3_600_000
    rows = [(row["samples"], values_of(row)) for row in synthetic.epochs(expected[one.info.run_name])]
    for name in {name for _, values in rows for name in values}:
        history = sorted((found.step, found.value) for found in client.get_metric_history(one.info.run_id, name))
        assert history == [(samples, values[name]) for samples, values in rows if name in values]
    refused_the_second_time(root, "mlflow", tmp_path / "mlflow.db", "MLflow experiment", capsys)


def test_mlflow_that_is_not_installed_is_said(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("analysis.export.mlflow_runs.find_spec", lambda name: None)
    assert export(root, "mlflow", tmp_path / "mlflow.db") == 2
    assert "mlflow is not installed; pip install 'codim-study[watch]'" in capsys.readouterr().err


@pytest.mark.parametrize("to", FORMATS)
def test_an_output_that_cannot_be_written_is_named(
    root: Path, tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    for output in (tmp_path, tmp_path / "file" / "below"):
        assert export(root, to, output) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(tmp_path) in line


@pytest.mark.parametrize("to", ["optuna", "mlflow"])
def test_a_file_of_something_else_is_refused_and_kept(
    root: Path, tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.db"
    path.write_text("Not a database, and longer than the head of one: " * 100)
    before = path.read_bytes()
    assert export(root, to, path) == 2
    assert path.read_bytes() == before
    assert f"{path} is not an SQLite file" in capsys.readouterr().err


@pytest.mark.parametrize("to", FORMATS)
def test_a_study_without_trials_is_refused(
    empty_study: Trials, tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(empty_study.root, to, tmp_path / "out") == 2
    assert "holds no trial yet" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["markdown", "latex", "csv"])
def test_a_table_without_a_number_is_refused(tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = synthetic.write(tmp_path / "digits", [record(CONDITION, 0, 0.9, status="failed")])
    assert export(root, to, tmp_path / "out") == 2
    assert "No chosen setting and no baseline has a test accuracy yet." in capsys.readouterr().err


def test_the_help_shows_its_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["export", "--help"])
    assert done.value.code == 0
    assert "python -m analysis export results/digits --to optuna --output digits.db" in capsys.readouterr().out
