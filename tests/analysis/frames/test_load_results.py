"""Reading a results folder: finished, running, and what is refused."""

import json
import math
import re
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from analysis.frames import load
from analysis.frames.load import Trials, load_trials
from analysis.page.sentences import cautions
from study.results.folder import ResultsFolder
from study.results.tables import trials_table
from tests.support import synthetic


def test_frames_hold_every_record(study: Trials) -> None:
    expected = synthetic.records()
    assert len(study.trials) == len(expected)
    assert len(study.epochs) == sum(trial.epochs for trial in expected)
    by_id = study.trials.set_index("trial")
    assert all(by_id.loc[t.trial, "objective"] == t.objective for t in expected if t.status == "complete")
    assert by_id.loc["symmetric-0.5-0007", "number"] == 7
    assert by_id.loc["symmetric-0.5-0001", "method"] == "dividemix"


def test_conditions_keep_the_order_of_the_study_file(study: Trials) -> None:
    assert study.conditions == tuple(synthetic.CONDITIONS)
    assert study.trials["condition"].cat.ordered
    assert study.epochs["condition"].dtype == study.trials["condition"].dtype
    assert study.trials["condition"].is_monotonic_increasing


def test_only_complete_trials_are_ranked(study: Trials) -> None:
    assert set(study.complete["status"]) == {"complete"}
    assert len(study.searched) == len(study.complete) - 4 * len(synthetic.BASELINES)


def test_a_study_without_trials(empty_study: Trials) -> None:
    assert empty_study.trials.empty
    assert empty_study.epochs.empty
    assert empty_study.conditions == tuple(synthetic.CONDITIONS)
    assert empty_study.baselines == tuple(synthetic.BASELINES)


def test_trials_before_the_study_file(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path / "late", synthetic.records()[:3])
    (root / "spec.json").unlink()
    (root / "environment.json").unlink()
    trials = load_trials(root)
    assert trials.name == "late"
    assert trials.conditions == ("symmetric-0.2",)
    assert trials.expected is None


def test_epochs_of_a_trial_that_the_table_does_not_know_yet_wait(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, synthetic.records()[:2])
    late = synthetic.records()[2]
    ResultsFolder(root).write_epochs(late.trial, synthetic.epochs(late))
    assert late.trial not in set(load_trials(root).epochs["trial"])


def test_an_epoch_file_replaced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, real, calls = synthetic.write(tmp_path, synthetic.records()[:2]), load.ds.dataset, []

    def first_read_fails(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise FileNotFoundError("replaced")
        return real(*args, **options)

    monkeypatch.setattr(load.ds, "dataset", first_read_fails)
    assert len(load_trials(root).epochs) == 2 * synthetic.EPOCHS


def test_half_written_files_of_the_study_are_not_read(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, synthetic.records()[:2])
    (root / "epochs" / ".symmetric-0.2-0002.parquet.123").write_bytes(b"PAR1 half")
    assert load_trials(root).epochs["trial"].nunique() == 2


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere is not a folder; give a study's results folder"):
        load_trials(tmp_path / "nowhere")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"neither spec\.json nor trials\.parquet"):
        load_trials(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "Invalid JSON"), ("[1]", "should be an object"), ('{"a": 1}', "it has no conditions")],
)
def test_a_broken_study_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load_trials(tmp_path)


def test_broken_tables_are_refused_by_name(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, synthetic.records()[:2])
    (root / "epochs" / "symmetric-0.2-0001.parquet").write_bytes(b"no table")
    with pytest.raises(ValueError, match=r"symmetric-0\.2-0001\.parquet"):
        _ = load_trials(root).epochs
    (root / "trials.parquet").write_bytes(b"no table")
    with pytest.raises(ValueError, match=r"trials\.parquet is damaged"):
        load_trials(root)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, [])
    table = trials_table(synthetic.records()[:2]).replace_schema_metadata({"codim_schema": "99"})
    pq.write_table(table, root / "trials.parquet")
    with pytest.raises(ValueError, match="has schema version 99; this version of the project reads 1"):
        load_trials(root)


def test_epoch_files_of_before_a_measure_was_added(tmp_path: Path) -> None:
    """What they do not hold has no value; files of both ages are one frame."""
    root = synthetic.write(tmp_path, synthetic.records()[:2])
    old, new = sorted((root / "epochs").glob("*.parquet"))
    table = pq.read_table(old)
    pq.write_table(table.drop_columns(["oracle_test_ece", "oracle_split_recall_min"]), old)
    epochs = load_trials(root).epochs
    assert list(epochs.columns) == [name for name in table.column_names if "histogram" not in name]
    assert epochs["oracle_test_ece"].dtype == "float64"
    ece = epochs.set_index("trial")["oracle_test_ece"]
    assert ece[old.stem].isna().all()
    assert ece[new.stem].notna().any()
    assert epochs.set_index("trial").loc[old.stem, "oracle_test_acc"].notna().any()


def test_many_epoch_files_are_one_frame(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, [synthetic.record("symmetric-0.2", i, 0.9) for i in range(200)])
    epochs = load_trials(root).epochs
    assert isinstance(epochs, pd.DataFrame)
    assert len(epochs) == 200 * synthetic.EPOCHS


def test_unknown_keys_in_the_study_file_are_ignored(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, [], spec=synthetic.SPEC | {"confirm": {"top_k": 3}})
    assert json.loads((root / "spec.json").read_text())["confirm"]
    assert load_trials(root).expected == 96


def test_a_part_of_the_epochs_is_read_without_the_rest(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, synthetic.records())
    trials = load_trials(root)
    (root / "epochs" / "symmetric-0.8-0003.parquet").write_bytes(b"damaged")
    one = trials.read_epochs(["trial", "epoch", "val_acc"], conditions=["symmetric-0.2"])
    assert list(one.columns) == ["trial", "epoch", "val_acc"]
    expected = [t for t in synthetic.records() if t.condition == "symmetric-0.2"]
    assert len(one) == sum(t.epochs for t in expected)
    assert list(one["trial"].unique()) == [t.trial for t in expected if t.epochs]
    assert one.groupby("trial")["epoch"].is_monotonic_increasing.all()
    (trial,) = trials.read_epochs(trials=["symmetric-0.5-0004"])["trial"].unique()
    assert trial == "symmetric-0.5-0004"
    assert trials.read_epochs(["trial"], conditions=["symmetric-0.2"], trials=["symmetric-0.5-0004"]).empty
    with pytest.raises(ValueError, match="An epoch table"):
        _ = trials.epochs
    with pytest.raises(ValueError, match="no column val_accuracy; allowed: trial, condition"):
        trials.read_epochs(["val_accuracy"])


def test_a_damaged_environment_is_done_without_and_told(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, synthetic.records()[:2], environment=synthetic.ENVIRONMENT | {"cpus": "many"})
    trials = load_trials(root)
    assert trials.environment == {}
    assert len(trials.trials) == 2
    (told,) = trials.faults
    assert re.search(r"environment\.json is damaged \(cpus: .*valid integer \(found many\)\)", told)
    assert cautions(trials)[0] == told


@pytest.mark.parametrize("name", ["spec.json", "environment.json"])
def test_a_file_of_a_newer_version_is_refused(name: str, tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, [])
    newer = json.loads((root / name).read_text()) | {"schema": "2", "space": "other by then"}
    (root / name).write_text(json.dumps(newer))
    with pytest.raises(ValueError, match=rf"{name} has schema version 2; this version of the project reads 1$"):
        load_trials(root)


def test_tables_of_before_a_column_was_added(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path, synthetic.records()[:3])
    table = pq.read_table(root / "trials.parquet")
    pq.write_table(table.drop_columns(["phase", "setting", "constraints", "shared_samples"]), root / "trials.parquet")
    assert len(load_trials(root).complete) == 3
    (first, *_) = ResultsFolder(root).read_trials()
    assert (first.phase, first.setting, first.constraints, first.shared_samples) == ("search", "", {}, 0)


def test_the_same_table_from_other_programs(tmp_path: Path) -> None:
    """Other programs write the same values in other types."""
    root = synthetic.write(tmp_path, synthetic.records())
    expected = load_trials(root).trials
    frame = pl.read_parquet(root / "trials.parquet").with_columns(pl.col("seed").cast(pl.Int16))
    frame = frame.with_columns(pl.col("condition").cast(pl.Categorical), pl.col("seconds").cast(pl.Float32))
    table = frame.to_arrow().replace_schema_metadata({"codim_schema": "1"})
    pq.write_table(table, root / "trials.parquet")
    pd.testing.assert_frame_equal(load_trials(root).trials, expected)


def test_a_number_that_is_missing_is_null_for_every_reader(tmp_path: Path) -> None:
    blank = [r for r in synthetic.records() if r.status in ("failed", "running")]
    root = synthetic.write(tmp_path, [*blank, synthetic.record("symmetric-0.2", 0, 0.9)])
    for path in (root / "trials.parquet", *(root / "epochs").iterdir()):
        frame = pl.read_parquet(path)
        assert not any(frame[name].is_nan().any() for name in frame.columns if frame[name].dtype == pl.Float64), path
    objective = pl.read_parquet(root / "trials.parquet")["objective"]
    assert objective.max() == objective.mean() == load_trials(root).trials["objective"].mean()
    assert all(math.isnan(r.objective) for r in ResultsFolder(root).read_trials() if r.status != "complete")
    rows = ResultsFolder(root).read_epochs("symmetric-0.2-0000")
    assert math.isnan(rows[0]["val_acc"])
    assert rows[0].keys() == synthetic.epochs(synthetic.record("symmetric-0.2", 0, 0.9))[0].keys()
