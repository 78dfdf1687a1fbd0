"""Importance finds the setting that matters, and only with enough trials."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from synthetic import record

from analysis.importance import importance_table, switch_table
from analysis.load import NotApplicable, Trials, load_trials


def many(tmp_path: Path, zero_matters: bool) -> Trials:
    rng = np.random.default_rng(3)
    trials = []
    for number in range(60):
        params = synthetic.sample(rng)
        off = params["mixmatch/lambda_u"] == 0
        test = (
            0.9 - 0.3 * off if zero_matters else synthetic.accuracy(params | {"mixmatch/lambda_u": 1}, "symmetric-0.2")
        )
        trials.append(record("symmetric-0.2", number, test - 1e-4 * number, params=params))
    return load_trials(synthetic.write(tmp_path, trials))


def test_the_temperature_decides(tmp_path: Path) -> None:
    table = importance_table(many(tmp_path, zero_matters=False), "symmetric-0.2").set_index("setting")
    assert table.index[0] == "contrastive/temperature"
    top = table.iloc[0]
    assert top["importance"] > top["chance"]
    assert (table["importance"] <= table["chance"]).sum() >= 3
    assert table["importance"].sum() == pytest.approx(1)
    assert set(table["n"]) == {60}


def test_the_zero_branch_is_compared_apart_from_its_range(tmp_path: Path) -> None:
    trials = many(tmp_path, zero_matters=True)
    assert set(importance_table(trials, "symmetric-0.2")["setting"]) == set(synthetic.SPEC["space"])
    (row,) = switch_table(trials).to_dict("records")
    assert (row["condition"], row["setting"]) == ("symmetric-0.2", "mixmatch/lambda_u")
    assert row["on"] + row["off"] == 60
    assert row["superiority"] == 1.0
    assert row["p_value"] < 1e-6


def test_a_switch_that_does_nothing_is_even(tmp_path: Path) -> None:
    (row,) = switch_table(many(tmp_path, zero_matters=False)).to_dict("records")
    assert 0.3 < row["superiority"] < 0.7
    assert row["p_value"] > 0.05


def test_pruned_trials_count_and_are_never_at_the_top(study: Trials) -> None:
    with_pruned = importance_table(study, "symmetric-0.5")
    assert set(with_pruned["n"]) == {18}
    flattered = study.trials.assign(objective=study.trials["objective"].where(study.trials["status"] != "pruned", 0.99))
    again = importance_table(replace(study, trials=flattered), "symmetric-0.5")
    assert again["importance"].to_list() == pytest.approx(with_pruned["importance"].to_list())


def test_trials_beyond_a_bound_are_never_at_the_top_either(study: Trials) -> None:
    pruned = study.trials["status"] == "pruned"
    beyond = study.trials.assign(
        status=study.trials["status"].mask(pruned, "complete"),
        objective=study.trials["objective"].mask(pruned, 0.99),
        constraints=study.trials["constraints"].mask(pruned, '{"labelled_fraction": 0.1}'),
    )
    measured, again = (importance_table(t, "symmetric-0.5") for t in (study, replace(study, trials=beyond)))
    assert again["importance"].to_list() == pytest.approx(measured["importance"].to_list())


def test_without_shuffles_there_is_no_chance_but_the_same_importance(study: Trials) -> None:
    with_chance, without = (importance_table(study, "symmetric-0.5", shuffles=n) for n in (2, 0))
    assert without["chance"].isna().all()
    assert with_chance["chance"].notna().all()
    assert without.drop(columns="chance").equals(with_chance.drop(columns="chance"))


def test_five_complete_trials_stand_out_from_pruned_ones(tmp_path: Path) -> None:
    """Level with the worst complete trial, the pruned ones would make every setting equally unimportant."""
    rng = np.random.default_rng(1)
    trials = []
    for i in range(15):
        good = i < 5
        params = synthetic.sample(rng) | {"contrastive/temperature": rng.uniform(*(0.05, 0.08) if good else (0.1, 1.0))}
        status = "complete" if good else "pruned"
        trials.append(record("symmetric-0.2", i, 0.9 if good else 0.95, params=params, status=status))
    table = importance_table(load_trials(synthetic.write(tmp_path, trials)), "symmetric-0.2")
    assert table["setting"][0] == "contrastive/temperature"
    assert table["importance"][0] > 0.5


def test_values_outside_the_space_are_left_out(study: Trials) -> None:
    frame = study.trials.copy()
    first = frame.index[(frame["condition"] == "symmetric-0.5") & (frame["status"] == "pruned")][0]
    frame.loc[first, "param/contrastive/temperature"] = 7.0
    assert set(importance_table(replace(study, trials=frame), "symmetric-0.5")["n"]) == {17}


def test_too_few_trials_say_how_many_are_needed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    few = [record("symmetric-0.2", i, 0.9, params=synthetic.sample(rng)) for i in range(9)]
    with pytest.raises(
        NotApplicable, match=r"^Importance needs 10 finished .*symmetric-0\.2 has 9, 9 of them complete\.$"
    ):
        importance_table(load_trials(synthetic.write(tmp_path, few)), "symmetric-0.2")


def test_a_study_without_a_space_says_so(study: Trials) -> None:
    with pytest.raises(NotApplicable, match="names no searched setting"):
        importance_table(replace(study, spec={}), "symmetric-0.5")
