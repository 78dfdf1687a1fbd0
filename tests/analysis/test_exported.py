"""What other programs read back is what the tables hold; and a paper's table says what was measured how."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import synthetic
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from synthetic import record

from analysis.__main__ import main
from analysis.load import Trials, load_trials
from analysis.paper import PUBLISHED, as_latex, as_markdown, paper_table

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

    from study.loggers import values_of

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
    monkeypatch.setattr("analysis.mlflow_runs.find_spec", lambda name: None)
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
    assert f"{path} is no SQLite file" in capsys.readouterr().err


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


def confirmed(condition: str, setting: str, values: list[float], **changes: Any) -> list[Any]:
    trials = [
        record(condition, i, value, trial=f"{setting}@{condition}-r{i}", setting=setting, **changes)
        for i, value in enumerate(values)
    ]
    for trial in trials:
        trial.phase = "confirm"
    return trials


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """CIFAR-10 with a definition of the noise that is published, one that is not, and a confirmed condition."""
    conditions = [
        {"id": "symmetric-0.2", "kind": "symmetric", "rate": 0.2, "include_true": True, "seed": 0},
        {"id": "symmetric-0.5", "kind": "symmetric", "rate": 0.5, "include_true": False, "seed": 0},
        {"id": "asymmetric-0.4", "kind": "asymmetric", "rate": 0.4, "map": "cifar10", "seed": 0},
    ]
    spec = synthetic.SPEC | {"name": "cifar_10", "data": "cifar10", "conditions": conditions}
    trials = [
        record("symmetric-0.2", 0, 0.80, baseline="ce"),
        record("symmetric-0.2", 1, 0.95),
        record("symmetric-0.2", 2, 0.94),
        record("symmetric-0.5", 1, 0.90),
        record("asymmetric-0.4", 1, 0.93),
        *confirmed("symmetric-0.2", "symmetric-0.2-0000", [0.70, 0.80], baseline="ce"),
        *confirmed("symmetric-0.2", "symmetric-0.2-0001", [0.97, 0.98, 0.99]),
        *confirmed("symmetric-0.2", "symmetric-0.2-0002", [0.95]),
        *confirmed("symmetric-0.5", "symmetric-0.2-0002", [0.91, 0.93]),
    ]
    return load_trials(synthetic.write(tmp_path_factory.mktemp("cifar") / "cifar_10", trials, spec=spec))


def cells(table: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float, float, int, str]]:
    return {
        (row.method, row.line, row.condition): (row.mean, row.std, row.n, row.origin)
        for row in table.itertuples(index=False)
    }


def test_a_number_is_of_fresh_seeds_where_there_are_any(cifar: Trials) -> None:
    found = cells(paper_table(cifar))
    mean, std, n, origin = found["chosen", "last", "symmetric-0.2"]
    assert (mean, std, n, origin) == (pytest.approx(0.98), pytest.approx(0.01), 3, "confirm")
    assert found["chosen", "best", "symmetric-0.2"][0] == pytest.approx(0.99)
    mean, std, n, origin = found["chosen", "last", "asymmetric-0.4"]
    assert (mean, n, origin) == (0.93, 1, "search")
    assert math.isnan(std)
    assert found["ce", "last", "symmetric-0.2"][0] == pytest.approx(0.75)
    # Confirmed in two conditions; that it is not the chosen one does not matter.
    assert found["robust", "last", "symmetric-0.5"][:3] == (pytest.approx(0.92), pytest.approx(0.0141, abs=1e-4), 2)
    assert ("robust", "last", "asymmetric-0.4") not in found


def test_published_numbers_stand_only_beside_the_same_data_and_noise(cifar: Trials) -> None:
    table = paper_table(cifar)
    foreign = table[table["origin"] == "published"]
    assert set(foreign["condition"]) == {"symmetric-0.2", "asymmetric-0.4"}
    assert cells(foreign)["DivideMix", "last", "asymmetric-0.4"][0] == 0.921
    assert foreign["source"].str.contains("arXiv").all()
    assert (table.loc[table["origin"] != "published", "source"] == "").all()
    for other in ({"data": "cifar100"}, {"data": "digits"}, {"config": {"data": {"subset": 2000}}}):
        left = paper_table(replace(cifar, spec=cifar.spec | other))
        methods = set(left.loc[left["condition"] == "asymmetric-0.4", "origin"])
        assert methods == {"search"}


def test_published_numbers_are_accuracies_each_once_with_a_source() -> None:
    table = pd.read_csv(PUBLISHED)
    assert not table.duplicated(["data", "kind", "rate", "map", "method"]).any()
    assert table["best"].between(0.1, 1).all()
    assert (table["last"].dropna() <= table["best"][table["last"].notna()]).all()
    assert table["source"].notna().all()


def test_the_long_table_reads_back(cifar: Trials, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "analysis",
        "export",
        cifar.root,
        "--to",
        "csv",
        "--output",
        tmp_path / "table.csv",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == f"{tmp_path / 'table.csv'}: test accuracy by method and condition\n"
    read = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, na_values={"std": [""]})
    texts = dict.fromkeys(("method", "line", "condition"), str)
    pd.testing.assert_frame_equal(read, paper_table(cifar).astype(texts))


def test_markdown_has_the_layout_of_the_papers(cifar: Trials) -> None:
    text = as_markdown(cifar)
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["method", "epoch", "symmetric-0.2", "symmetric-0.5", "asymmetric-0.4"]
    body = {(row[0], row[1]): row[2:] for row in rows[2:]}
    assert body["chosen by the search", "last"] == ["**98.0 ± 1.0**", "90.0†", "**93.0†**"]
    assert body["robust setting", "last"] == ["95.0", "**92.0 ± 1.4**", "–"]
    assert body["DivideMix [1]", "best"] == ["96.1", "–", "93.4"]
    assert body["ProMix [5]", "best"][2] == "**96.6**"
    notes = [line for line in text.splitlines() if line.startswith("* ")]
    assert "n = 1 to 3 trainings with fresh seeds" in notes[1]
    assert notes[2].startswith("* † not confirmed: the one training of the search (n = 1)")
    assert "* [1] Li et al. 2020 (DivideMix, arXiv 2002.07394)." in notes


def test_what_is_not_there_is_not_explained(study: Trials) -> None:
    text = as_markdown(study)
    assert "†" in text
    assert "fresh seeds" not in text
    assert "ublished" not in text


def test_latex_escapes_and_balances(cifar: Trials) -> None:
    text = as_latex(cifar)
    assert r"\textbf{98.0 $\pm$ 1.0}" in text
    assert r"90.0$^\dagger$" in text
    assert r"\multicolumn{2}{c}{symmetric} & asymmetric" in text
    assert r"cifar\_10: test accuracy in \%" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "&" in line]
    assert {line.count("&") for line in rows[2:]} == {4}


def test_a_name_cannot_break_the_table(tmp_path: Path) -> None:
    name = r"a|b_{c}\&"
    spec = synthetic.SPEC | {"baselines": {name: {}}}
    trials = load_trials(synthetic.write(tmp_path / "x", [record(CONDITION, 0, 0.9, baseline=name)], spec=spec))
    (row,) = [line for line in as_markdown(trials).splitlines() if "last" in line and line.startswith("|")]
    assert row == r"| a\|b_{c}\& | last | **90.0†** |"
    assert r"a|b\_\{c\}\textbackslash{}\&" in as_latex(trials)


def test_the_help_shows_its_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["export", "--help"])
    assert done.value.code == 0
    assert "python -m analysis export results/digits --to optuna --output digits.db" in capsys.readouterr().out
