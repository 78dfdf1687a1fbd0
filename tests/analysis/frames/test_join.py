"""Several studies as one."""

from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.figures.catalogue import FIGURES
from analysis.frames.join import join
from analysis.frames.load import Trials, load_trials
from analysis.tables.selection import chosen
from analysis.tables.study_tables import comparison_table
from tests.support import synthetic
from tests.support.synthetic import SPEC, record

A, B, C = "symmetric-0.2", "symmetric-0.5", "symmetric-0.8"


def study(root: Path, conditions: list[str], tests: list[float], name: str, **spec: Any) -> Trials:
    """Each condition with these test accuracies, the first a baseline's; the first trial confirmed."""
    rows = [
        record(condition, i, test, baseline="" if i else "ce", epochs=3)
        for condition in conditions
        for i, test in enumerate(tests)
    ]
    first = conditions[0]
    again = {"trial": f"{first}-0001@{first}-r0", "setting": f"{first}-0001", "phase": "confirm", "epochs": 0}
    rows.append(record(first, 0, 0.5, **again))
    entries = [entry for entry in SPEC["conditions"] if entry["id"] in conditions]
    return load_trials(synthetic.write(root / name, rows, SPEC | {"name": name, "conditions": entries} | spec))


@pytest.fixture
def both(tmp_path: Path) -> list[Trials]:
    return [study(tmp_path, [B, C], [0.7, 0.9], "second"), study(tmp_path, [A, B], [0.8, 0.85, 0.95], "first")]


def test_conditions_come_in_their_order_and_the_best_of_all_is_chosen(both: list[Trials]) -> None:
    trials = join(both)
    assert trials.conditions == (A, B, C)
    assert len(trials.trials) == 4 + 6
    best = chosen(trials)["trial"]
    assert best.to_dict() == {A: f"first/{A}-0002", B: f"first/{B}-0002", C: f"second/{C}-0001"}
    table = comparison_table(trials).set_index("condition")
    assert table.loc[B, "searched"] == 3
    assert table.loc[B, "baseline_oracle_test_acc"] == 0.7, "of two trainings of a baseline the first study's counts"
    assert trials.trials.groupby("condition", observed=True)["number"].apply(list)[B] == [0, 1, 2, 3, 4]
    assert set(trials.confirmations["setting"]) == {f"first/{A}-0001", f"second/{B}-0001"}
    assert trials.expected is None


def test_epochs_go_with_their_trials(both: list[Trials]) -> None:
    trials = join(both)
    assert set(trials.epochs["trial"]) == set(trials.trials["trial"])
    assert len(trials.epochs) == 3 * 10
    own = trials.read_epochs(["val_acc"], trials=[f"first/{B}-0001"])["val_acc"]
    alone = both[1].read_epochs(["val_acc"], trials=[f"{B}-0001"])["val_acc"]
    assert own.tolist() == pytest.approx(alone.tolist(), nan_ok=True)
    assert trials.read_epochs(conditions=[C])["trial"].unique().tolist() == [f"second/{C}-0000", f"second/{C}-0001"]


def test_joining_twice_is_joining_once(both: list[Trials], tmp_path: Path) -> None:
    third = study(tmp_path, [C], [0.6], "third")
    trials = join([join(both), third])
    assert len(trials.epochs) == 3 * 11
    assert set(trials.epochs["trial"]) == set(trials.trials["trial"])


def test_studies_of_one_name_are_told_apart(tmp_path: Path) -> None:
    trials = join([study(tmp_path / "x", [A], [0.8, 0.9], "same"), study(tmp_path / "y", [A], [0.8, 0.9], "same")])
    assert trials.trials["trial"].is_unique
    assert {trial.partition("/")[0] for trial in trials.trials["trial"]} == {"same-1", "same-2"}


@pytest.mark.parametrize(("part", "own"), [("space", {}), ("objective", {}), ("data", "cifar10"), ("config", {})])
def test_studies_that_do_not_compare_are_refused(both: list[Trials], part: str, own: object, tmp_path: Path) -> None:
    other = study(tmp_path, [C], [0.6], "other", **{part: own})
    with pytest.raises(ValueError, match=f"differ in `{part}`"):
        join([both[0], other])


def test_the_command_writes_one_report_of_both(
    both: list[Trials], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.figures.render.FIGURES", {"methods": FIGURES["methods"]})
    assert main([str(trials.root) for trials in both]) == 0
    page = tmp_path / "second+first" / "report" / "index.html"
    assert capsys.readouterr().out == f"{page}\n"
    assert "second + first" in page.read_text()
    assert main([]) == 2
    assert "RESULTS is missing" in capsys.readouterr().err
