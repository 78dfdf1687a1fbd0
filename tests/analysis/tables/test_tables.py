"""What the tables say about a study whose answers are known."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.figures import budget
from analysis.figures.catalogue import FIGURES
from analysis.frames.join import join, study_names
from analysis.frames.load import Trials, load_trials
from analysis.page.page_tables import report_tables
from analysis.page.sentences import cost_sentence
from analysis.statistics.confirmation import confirmation_table
from analysis.tables import study_tables as tables
from analysis.tables.selection import chosen_by_study
from tests.support import synthetic
from tests.support.synthetic import BUDGET, record


def test_the_choice_follows_the_objective_and_never_the_test_set(tmp_path: Path) -> None:
    lucky = record("symmetric-0.5", 1, 0.90, objective=0.60)
    better = record("symmetric-0.5", 2, 0.95, objective=0.59)
    trials = load_trials(synthetic.write(tmp_path, [lucky, better]))
    assert tables.chosen(trials)["trial"].to_dict() == {"symmetric-0.5": lucky.trial}
    row = tables.regret_table(trials).iloc[0]
    assert row["best_trial"] == better.trial
    assert row["regret"] == pytest.approx(0.05)
    assert row["searched"] == 2


def test_once_all_have_a_value_the_choice_follows_it(tmp_path: Path) -> None:
    lucky = record("symmetric-0.5", 1, 0.90, objective=0.60, value=-0.01)
    better = record("symmetric-0.5", 2, 0.95, objective=0.59, value=0.02)
    later = record("symmetric-0.5", 3, 0.80, objective=0.50)
    ended = load_trials(synthetic.write(tmp_path / "ended", [lucky, better]))
    grows = load_trials(synthetic.write(tmp_path / "grows", [lucky, better, later]))
    assert list(tables.chosen(ended)["trial"]) == [better.trial]
    assert list(tables.chosen(grows)["trial"]) == [lucky.trial]
    both = join([ended, grows])
    assert chosen_by_study(both) == {
        ("symmetric-0.5", f"{own}/symmetric-0.5-{n:04d}") for own, n in zip(names(both), (2, 1), strict=True)
    }
    assert list(tables.chosen(both)["objective"]) == [0.60]


def names(trials: Trials) -> list[str]:
    return list(dict.fromkeys(study_names(trials.trials["trial"])))


@pytest.mark.parametrize("status", ["pruned", "failed", "running"])
def test_only_complete_trials_are_chosen_or_stand_as_baselines(tmp_path: Path, status: str) -> None:
    early = record("symmetric-0.5", 1, 0.99, status=status)
    rival = record("symmetric-0.5", 0, 0.98, status=status, baseline="ce")
    whole = record("symmetric-0.5", 2, 0.80)
    trials = load_trials(synthetic.write(tmp_path, [rival, early, whole]))
    assert list(tables.chosen(trials)["trial"]) == [whole.trial]
    assert tables.baseline_trials(trials).empty


def test_comparison_with_the_best_baseline(study: Trials) -> None:
    table = tables.comparison_table(study).set_index("condition")
    assert list(table.index) == list(synthetic.CONDITIONS)
    assert set(table["baseline"]) == {"codim-sup"}
    row = table.loc["symmetric-0.5"]
    assert row["noise_rate"] == 0.5
    assert row["oracle_noise_rate"] == pytest.approx(0.45)
    assert row["searched"] == 13
    assert row["baseline_oracle_test_acc"] == 0.89
    assert row["oracle_difference"] == pytest.approx(row["oracle_test_acc"] - 0.89)
    # On given labels the same gain shrinks to the slope 1 - .45 * 10/9.
    assert row["difference"] == pytest.approx(0.5 * row["oracle_difference"])


def test_method_table_holds_baselines_choice_and_hindsight(study: Trials) -> None:
    table = tables.method_table(study)
    methods = {*synthetic.BASELINES, "chosen", "hindsight"}
    assert all(set(part["method"]) == methods for _, part in table.groupby("condition", observed=True))


def test_pruning_saves_what_it_did_not_draw(tmp_path: Path) -> None:
    trials = [
        record("symmetric-0.5", 0, 0.9, shared_samples=BUDGET // 5),
        record("symmetric-0.5", 1, 0.5, status="pruned", samples=BUDGET // 4, shared_samples=BUDGET // 5),
        record("symmetric-0.5", 2, 0.5, status="failed", samples=10, shared_samples=BUDGET // 5),
    ]
    read = load_trials(synthetic.write(tmp_path, trials))
    table = tables.cost_table(read).set_index("condition")
    row = table.loc["symmetric-0.5"]
    # A fifth of each budget is that of shared stages: of its own four fifths the pruned trial drew a twentieth.
    assert row["saved"] == pytest.approx(0.75 / 1.6)
    assert row["samples"] == BUDGET * (0.8 + 0.05)
    assert (row["complete"], row["pruned"], row["failed"], row["running"]) == (1, 1, 1, 0)
    assert table.loc["symmetric-0.8", "complete"] == 0
    assert table["saved"].isna().sum() == 3
    # The figure counts as the table does.
    info = budget.compute(read)
    assert info.frame.set_index("status")["samples"].to_dict() == {
        "complete": 0.8 * BUDGET,
        "pruned": 0.05 * BUDGET,
        "failed": 0,
    }
    assert info.frame["saved"].sum() == 0.75 * BUDGET
    assert f"n = 3 trials, {0.85 * BUDGET:,.0f} samples" in budget.caption(info)
    assert f"drew {0.85 * BUDGET:,.0f} samples" in cost_sentence(read)
    assert "Pruning saved 46.9% of the finished trials' own budget" in cost_sentence(read)


def test_chosen_settings_are_those_of_the_chosen_trial(study: Trials) -> None:
    table = tables.settings_table(study).set_index("condition")
    assert list(table.columns) == ["trial", *synthetic.SPEC["space"]]
    params = {t.trial: t.params for t in synthetic.records()}
    for _, row in table.iterrows():
        assert row.drop("trial").to_dict() == params[row["trial"]]


def test_failures_are_counted_by_cause(tmp_path: Path) -> None:
    failed = [record("symmetric-0.2", i, 0.5, status="failed", cause="out of memory") for i in range(2)]
    other = record("symmetric-0.2", 2, 0.5, status="failed", cause="NaN")
    table = tables.failure_table(load_trials(synthetic.write(tmp_path, [other, *failed])))
    assert list(table["cause"]) == ["out of memory", "NaN"]
    assert list(table["trials"]) == [2, 1]
    assert table.loc[0, "first"] == failed[0].trial


def test_conditions_without_a_trial_stay_in_the_condition_table(empty_study: Trials) -> None:
    table = tables.condition_table(empty_study)
    assert list(table.index) == list(synthetic.CONDITIONS)
    assert list(table["noise_rate"]) == [0.2, 0.5, 0.8, 0.4]
    assert table["oracle_noise_rate"].isna().all()
    assert set(table["classes"]) == {synthetic.CLASSES}


def test_empty_tables_of_an_empty_study(empty_study: Trials) -> None:
    assert tables.comparison_table(empty_study).empty
    assert tables.regret_table(empty_study).empty
    assert tables.settings_table(empty_study).empty
    assert tables.failure_table(empty_study).empty
    assert tables.cost_table(empty_study)["samples"].sum() == 0


def test_classes_come_from_the_transition_matrix_where_not_declared(study: Trials) -> None:
    assert set(tables.condition_table(replace(study, environment={}))["classes"]) == {synthetic.CLASSES}


def test_confirmations_stand_apart_from_the_search(study: Trials, tmp_path: Path) -> None:
    again = [
        record(condition, repeat, test, trial=f"{setting}@{condition}-r{repeat}", setting=setting, **changes)
        for condition, setting, changes, values in (
            ("symmetric-0.5", "symmetric-0.5-0003", {"baseline": "codim-sup"}, [0.88]),
            ("symmetric-0.5", "symmetric-0.5-0007", {}, [0.90, 0.92, 0.94]),
            ("symmetric-0.5", "symmetric-0.8-0009", {}, [0.80, 0.82]),
            ("symmetric-0.8", "symmetric-0.8-0009", {}, [0.70, 0.72]),
        )
        for repeat, test in enumerate(values)
    ]
    for trial in again:
        trial.phase = "confirm"
    failed = replace(again[1], trial="symmetric-0.5-0007@symmetric-0.5-r9", status="failed", oracle_test_acc=0.1)
    trials = load_trials(synthetic.write(tmp_path, [*synthetic.records(), *again, failed]))
    before, after = report_tables(study), report_tables(trials)
    titles = {shown.title for shown in before}
    same = titles - {"Failed trials"}
    assert [shown for shown in after if shown.title in same] == [shown for shown in before if shown.title in same]
    # None of the first in its condition was confirmed, so nothing stands against the baselines.
    added = {"Confirmed", "Interquartile mean over conditions and seeds"}
    assert {shown.title for shown in after} - titles == added
    for name in FIGURES.keys() - {"confirmed", "variance", "accuracy_by_noise"}:
        figure = FIGURES[name]
        assert figure.compute(trials).frame.equals(figure.compute(study).frame)

    table = confirmation_table(trials).set_index(["condition", "setting"])
    assert list(table["method"]) == ["codim-sup", "chosen", "robust", "robust"]
    assert list(table["n"]) == [1, 3, 2, 2]
    chosen = table.loc[("symmetric-0.5", "symmetric-0.5-0007")]
    # Student's t with 2 degrees of freedom: 4.303 standard errors, of .02 / sqrt(3).
    assert chosen["oracle_test_acc"] == pytest.approx(0.92)
    assert (chosen["low"], chosen["high"]) == pytest.approx((0.8703, 0.9697), abs=1e-4)
    assert math.isnan(table["low"].iloc[0])
    assert "To confirm them 9 trainings drew 360,000 in 0.3 h." in cost_sentence(trials)
