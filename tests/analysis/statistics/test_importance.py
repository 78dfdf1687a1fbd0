"""Importance finds the setting that matters, and only with enough trials."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from analysis.frames.load import NotApplicable, Trials, load_trials
from analysis.page.page_tables import report_tables
from analysis.statistics import fanova, importance
from analysis.statistics.importance import importance_table, switch_table
from tests.support import synthetic
from tests.support.synthetic import record


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
    assert table["chance"].nunique() == 1


def test_the_zero_branch_is_compared_apart_from_its_range(tmp_path: Path) -> None:
    trials = many(tmp_path, zero_matters=True)
    assert set(importance_table(trials, "symmetric-0.2")["setting"]) == set(synthetic.SPEC["space"])
    (row,) = switch_table(trials).to_dict("records")
    assert row["holm"] == row["p_value"]
    assert (row["condition"], row["setting"]) == ("symmetric-0.2", "mixmatch/lambda_u")
    assert row["on"] + row["off"] == 60
    assert row["superiority"] == 1.0
    assert row["p_value"] < 1e-6


def test_a_switch_that_does_nothing_is_even(tmp_path: Path) -> None:
    (row,) = switch_table(many(tmp_path, zero_matters=False)).to_dict("records")
    assert 0.3 < row["superiority"] < 0.7
    assert row["p_value"] > 0.05


def test_switches_are_corrected_over_all_rows(study: Trials) -> None:
    table = switch_table(study)
    first, second, third = sorted(table["p_value"])
    by_hand = 3 * first, max(3 * first, 2 * second), max(3 * first, 2 * second, third)
    assert sorted(table["holm"]) == pytest.approx([min(p, 1) for p in by_hand])
    (shown,) = (t for t in report_tables(study) if t.title == "Switches")
    assert "p (Holm)" in shown.headings
    assert "not shown to differ" in shown.note
    assert "chance explains" not in shown.note


def test_without_signal_one_condition_in_twenty_passes_what_chance_gives(
    study: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty conditions without signal, five settings. Setting by setting, against the 95th percentile of 20 shuffles,
    a third of them would pass."""
    monkeypatch.setattr(importance, "fanova", lambda *_: {})
    monkeypatch.setattr(importance, "RESAMPLES", 1)
    rng, passed = np.random.default_rng(0), 0
    for _ in range(30):
        trials = replace(study, trials=study.trials.assign(objective=rng.random(len(study.trials))))
        table = importance_table(trials, "symmetric-0.5")
        passed += int((table["importance"] > table["chance"]).any())
    assert passed <= 4


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


def test_without_checks_there_is_the_same_importance(study: Trials) -> None:
    checked, plain = (importance_table(study, "symmetric-0.5", checks=checks) for checks in (True, False))
    assert checked[["chance", "spread", "fanova_n"]].notna().all(axis=None)
    assert plain.equals(checked[["setting", "importance", "n"]])


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


# fANOVA and how sure both are

WHERE = "symmetric-0.2"


def optuna_study(rows: Sequence[tuple[dict[str, Any], float]]) -> optuna.Study:
    """Parameters and objective of each trial."""
    axes: dict[str, BaseDistribution] = {
        "contrastive/temperature": FloatDistribution(0.05, 1, log=True),
        "mixmatch/lambda_u": FloatDistribution(1, 500, log=True),
        "contrastive/weight": FloatDistribution(0.001, 1, log=True),
        "divide/p_threshold": FloatDistribution(0.02, 0.9),
        "contrastive/kind": CategoricalDistribution(("self", "sup")),
    }
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    optuna.logging.set_verbosity(verbosity)
    for params, value in rows:
        study.add_trial(create_trial(params=params, distributions={name: axes[name] for name in params}, value=value))
    return study


def drawn(n: int, seed: int = 0, **params: Any) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [synthetic.sample(rng) | params for _ in range(n)]


def read(path: Path, params: Sequence[dict[str, Any]], tests: Sequence[float]) -> Trials:
    trials = [record(WHERE, i, test, params=p, epochs=0) for i, (p, test) in enumerate(zip(params, tests, strict=True))]
    return load_trials(synthetic.write(path, trials))


def table_of(path: Path, params: Sequence[dict[str, Any]], tests: Sequence[float]) -> pd.DataFrame:
    return importance_table(read(path, params, tests), WHERE).set_index("setting")


def test_fanova_is_optunas_over_the_trials_with_everything_on(tmp_path: Path) -> None:
    params = drawn(90)
    tests = [synthetic.accuracy(p, WHERE) - 0.05 * (p["contrastive/kind"] == "sup") for p in params]
    table = table_of(tmp_path, params, tests)
    on = [(p, synthetic.noisy(t, WHERE)) for p, t in zip(params, tests, strict=True) if p["mixmatch/lambda_u"] > 0]
    same = FanovaImportanceEvaluator(n_trees=fanova.TREES, max_depth=fanova.DEPTH, seed=0)
    assert table["fanova"].to_dict() == pytest.approx(get_param_importances(optuna_study(on), evaluator=same))
    full = get_param_importances(optuna_study(on), evaluator=FanovaImportanceEvaluator(seed=1))
    assert table["fanova"].to_dict() == pytest.approx(full, abs=0.1)
    assert table["fanova"].idxmax() == "contrastive/temperature"
    assert set(table["fanova_n"]) == {len(on)}
    assert len(on) < 90


def test_the_spread_is_that_of_other_resamples(tmp_path: Path) -> None:
    params = drawn(60, **{"mixmatch/lambda_u": 25.0})
    tests = [synthetic.accuracy(p, WHERE) - 0.2 * p["divide/p_threshold"] ** 2 for p in params]
    table = table_of(tmp_path, params, tests)
    rng = np.random.default_rng(99)
    ped, variance = [], []
    for _ in range(30):
        study = optuna_study([(params[i], tests[i]) for i in rng.integers(60, size=60)])
        with pytest.warns(UserWarning, match="low `target` values"):
            ped.append(
                get_param_importances(
                    study,
                    evaluator=PedAnovaImportanceEvaluator(target_quantile=5.5 / 60),
                    target=lambda trial: -trial.values[0],
                )
            )
        evaluator = FanovaImportanceEvaluator(n_trees=fanova.RESAMPLE_TREES, max_depth=fanova.DEPTH, seed=0)
        variance.append(get_param_importances(study, evaluator=evaluator))
    for column, found in (("spread", ped), ("fanova_spread", variance)):
        expected = pd.DataFrame(found).std()["contrastive/temperature"]
        # That of eight normal values lies in this range in 999 of 1,000 cases (chi-squared, 7 degrees of freedom).
        assert 0.26 < table[column]["contrastive/temperature"] / expected < 1.93


def test_fanova_needs_ten_trials_with_everything_on(tmp_path: Path) -> None:
    params = [p | {"mixmatch/lambda_u": 25.0 if i < 9 else 0.0} for i, p in enumerate(drawn(20))]
    table = table_of(tmp_path, params, [synthetic.accuracy(p, WHERE) for p in params])
    assert table["fanova"].isna().all()
    assert table["fanova_spread"].isna().all()
    assert set(table["fanova_n"]) == {0}
    assert table["importance"].sum() == pytest.approx(1)
    assert table["spread"].max() > 0


def test_fanova_leaves_out_a_setting_that_only_some_trials_have(tmp_path: Path) -> None:
    params = drawn(30, **{"mixmatch/lambda_u": 25.0})
    tests = [synthetic.accuracy(p, WHERE) for p in params]
    for p in params[::2]:
        del p["divide/p_threshold"]
    table = table_of(tmp_path, params, tests)
    assert np.isnan(table["fanova"]["divide/p_threshold"])
    assert np.isnan(table["fanova_spread"]["divide/p_threshold"])
    assert table["fanova"].drop("divide/p_threshold").sum() == pytest.approx(1)
    assert set(table["fanova_n"]) == {30}


def test_fanova_uses_a_part_of_many_trials(tmp_path: Path) -> None:
    params = drawn(fanova.MAX_TRIALS + 20, **{"mixmatch/lambda_u": 25.0})
    table = table_of(tmp_path, params, [synthetic.accuracy(p, WHERE) for p in params])
    assert set(table["n"]) == {fanova.MAX_TRIALS + 20}
    assert set(table["fanova_n"]) == {fanova.MAX_TRIALS}
    assert table["fanova"]["contrastive/temperature"] > 0.8


def test_equal_trials_have_no_variance_to_share(tmp_path: Path) -> None:
    table = table_of(tmp_path, drawn(12, **{"mixmatch/lambda_u": 25.0}), [0.9] * 12)
    assert table["fanova"].isna().all()
    assert table["importance"].to_list() == pytest.approx([0.2] * 5)
