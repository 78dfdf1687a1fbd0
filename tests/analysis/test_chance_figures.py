"""What the figures of chance and choice compute, by value and against another computation."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic
from pydantic import TypeAdapter
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from synthetic import BUDGET, record

from analysis.load import NotApplicable, Trials, load_trials
from analysis.plots import confirmed, rung_correlation, selection_regret, sensitivity, variance
from analysis.space import Setting
from study.dimensions import Dimension
from study.verdicts import MIN_TRIALS, rank_correlation

NAN = float("nan")
LOG, LINEAR = Setting("a/log", "float", 1, 100, log=True), Setting("a/linear", "float", 0, 1)
WHOLE, ZERO = Setting("a/whole", "int", 1, 9), Setting("a/zero", "float", 1, 100, log=True, zero=True)


def trials_of(path: Path, *trials: Any, **changes: Any) -> Trials:
    return replace(load_trials(synthetic.write(path, list(trials))), **changes)


# sensitivity


@pytest.mark.parametrize(
    ("setting", "value", "down", "up"),
    [
        (LOG, 10, 5, 20),
        (LOG, 60, 30, NAN),
        (LOG, 1, NAN, 2),
        (LINEAR, 0.5, 0.4, 0.6),
        (LINEAR, 0.05, NAN, 0.15),
        (WHOLE, 5, 4, 6),
        (WHOLE, 9, 8, NAN),
        (ZERO, 0, NAN, NAN),
        (replace(WHOLE, log=True), 1, NAN, 2),
        (replace(WHOLE, high=30), 5, 2, 8),
    ],
)
def test_a_setting_moves_within_its_range(setting: Setting, value: float, down: float, up: float) -> None:
    assert sensitivity.moved(setting, value, -1) == pytest.approx(down, nan_ok=True)
    assert sensitivity.moved(setting, value, 1) == pytest.approx(up, nan_ok=True)


def test_a_loss_is_the_forests_over_the_slope(tmp_path: Path) -> None:
    """One setting: the forest is fitted here again, on the same coordinates."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, 40)
    tests = 0.9 - (values - 0.5) ** 2
    found = [
        record("symmetric-0.5", i, test, params={"divide/p_threshold": float(x)})
        for i, (x, test) in enumerate(zip(values, tests, strict=True))
    ]
    spec = synthetic.SPEC | {"space": {"divide/p_threshold": {"type": "float", "low": 0, "high": 1}}}
    info = sensitivity.compute(trials_of(tmp_path, *found, spec=spec))
    rows = info.frame.set_index("direction")
    forest = RandomForestRegressor(100, max_features=0.5, random_state=0)
    forest.fit(values[:, None], [trial.objective for trial in found])
    home = values[tests.argmax()]
    at = forest.predict(np.array([[home], [home - 0.1], [home + 0.1]]))
    assert list(rows.loc[[-1, 1], "moved"]) == pytest.approx([home - 0.1, home + 0.1])
    # 10 classes, a realised rate of .45: the slope is .5.
    assert list(rows.loc[[-1, 1], "loss"]) == pytest.approx(list((at[0] - at[1:]) / 0.5))
    assert (rows["loss"].between(0.003, 0.02)).all()
    assert (rows["standard_error"] > 0).all()
    p = max(trial.objective for trial in found)
    assert rows.loc[1, "resolution"] == pytest.approx(math.sqrt(p * (1 - p) / synthetic.IMAGES) / 0.5)
    assert set(rows["n"]) == {40}


def test_the_setting_that_matters_costs_more_than_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = [synthetic.sample(rng) for _ in range(80)]
    tests = [synthetic.accuracy(params, "symmetric-0.5") for params in drawn]
    found = [record("symmetric-0.5", i, t, params=p) for i, (t, p) in enumerate(zip(tests, drawn, strict=True))]
    frame = sensitivity.compute(trials_of(tmp_path, *found)).frame
    loss = frame.groupby("setting")["loss"].max()
    # Planted: a factor of two in temperature costs .25 * .3 ** 2 = .023.
    assert loss.idxmax() == "contrastive/temperature"
    assert loss.max() == pytest.approx(0.023, abs=0.01)
    assert set(loss.index) == set(synthetic.SPEC["space"]) - {"contrastive/kind"}


def test_a_setting_that_is_off_stays_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = [synthetic.sample(rng) for _ in range(12)]
    drawn[0]["mixmatch/lambda_u"] = 0.0
    found = [record("symmetric-0.5", i, 0.9 - 0.01 * i, params=params) for i, params in enumerate(drawn)]
    frame = sensitivity.compute(trials_of(tmp_path, *found)).frame
    assert set(frame["setting"]) == {"contrastive/temperature", "contrastive/weight", "divide/p_threshold"}


def test_a_pruned_trial_is_fitted_at_most_as_the_worst_complete_one(study: Trials) -> None:
    trials = study.trials[study.trials["condition"] == "symmetric-0.5"]
    pruned, worst = trials["status"] == "pruned", trials.loc[trials["status"] == "complete", "objective"].min()
    searched = trials.loc[(trials["status"] == "complete") & (trials["baseline"] == ""), "objective"].min()
    assert worst < searched
    frames = [
        sensitivity.compute(
            replace(study, trials=trials.assign(objective=trials["objective"].mask(pruned, value)))
        ).frame
        for value in (0.99, searched)
    ]
    pd.testing.assert_frame_equal(*frames)
    assert set(frames[0]["n"]) == {18}


def test_choices_keep_the_type_of_the_study_file(tmp_path: Path) -> None:
    """From Parquet a choice among numbers comes back as 5.0, and a true one as text."""
    space: dict[str, Any] = {
        "a/n": {"type": "categorical", "choices": [1, 5]},
        "a/b": {"type": "categorical", "choices": [True, False]},
        "a/x": {"type": "float", "low": 0, "high": 1},
    }
    rng = np.random.default_rng(0)
    found = []
    for i in range(30):
        params = {"a/n": int(rng.choice([1, 5])), "a/b": bool(rng.random() < 0.5), "a/x": float(rng.uniform(0, 1))}
        found.append(record("symmetric-0.2", i, 0.5 + 0.2 * (params["a/n"] == 5) + 0.1 * params["a/b"], params=params))
    spec = synthetic.SPEC | {"space": space}
    trials = trials_of(tmp_path, *found, spec=spec)
    assert sensitivity._params(spec, trials.trials) == [trial.params for trial in found]
    frame = sensitivity.compute(trials).frame
    assert set(frame["setting"]) == {"a/x"}
    assert frame["loss"].abs().max() < 0.02
    assert set(TypeAdapter(dict[str, Dimension]).validate_python(space)) == set(space)


def test_conditions_that_cannot_rank_or_have_few_trials_are_named(study: Trials) -> None:
    frame = study.trials.assign(
        oracle_noise_rate=study.trials["oracle_noise_rate"].mask(study.trials["condition"] == "symmetric-0.8", 0.89)
    )
    frame = frame[(frame["condition"] != "symmetric-0.2") | (frame["number"] < 8)]
    info = sensitivity.compute(replace(study, trials=frame))
    assert set(info.frame["condition"]) == {"symmetric-0.5", "asymmetric-0.4"}
    few, flat = info.missing
    assert few == "symmetric-0.2: 10 finished searched trials are needed, it has 4."
    assert flat.startswith("symmetric-0.8: cannot rank")
    assert flat in sensitivity.caption(info)


def test_sensitivity_needs_a_number_among_the_settings(study: Trials) -> None:
    space = {"contrastive/kind": synthetic.SPEC["space"]["contrastive/kind"]}
    with pytest.raises(NotApplicable, match="No setting with a numeric range"):
        sensitivity.compute(replace(study, spec=study.spec | {"space": space}))


# selection regret


def test_regret_stands_beside_what_the_objective_resolves(tmp_path: Path) -> None:
    lucky = record("symmetric-0.5", 1, 0.90, objective=0.50)
    better = record("symmetric-0.5", 2, 0.95, objective=0.49)
    worse = record("symmetric-0.5", 3, 0.40, objective=0.30)
    flat = record("symmetric-0.8", 1, 0.5, oracle_noise_rate=0.89)
    info = selection_regret.compute(trials_of(tmp_path, lucky, better, worse, flat))
    first, second = info.frame.to_dict("records")
    assert first["regret"] == pytest.approx(0.05)
    assert first["resolution"] == pytest.approx(2 * math.sqrt(0.25 / synthetic.IMAGES) / 0.5)
    assert (first["ties"], first["searched"], first["tied"]) == (2, 3, pytest.approx(2 / 3))
    assert second["regret"] == 0
    assert math.isnan(second["resolution"])
    assert math.isnan(second["tied"])
    assert "symmetric-0.8: cannot rank" in selection_regret.caption(info)


def test_regret_is_unknown_without_test_accuracy(tmp_path: Path) -> None:
    info = selection_regret.compute(trials_of(tmp_path, record("symmetric-0.5", 1, NAN, objective=0.5)))
    assert info.frame["regret"].isna().all()
    assert info.frame["regret"].dtype == float


# rank correlation at the rungs


def curve(trial: str, at_rung: float, final: float) -> list[dict[str, Any]]:
    places = [
        ("pretrain", 9_000, NAN),
        ("warmup", 9_500, 0.1),
        ("cotrain", 10_200, at_rung),
        ("cotrain", BUDGET, final),
    ]
    return [
        {"trial": trial, "condition": "symmetric-0.5", "phase": phase, "samples": samples, "val_acc": value}
        for phase, samples, value in places
    ]


def pruned_study(path: Path, at_rung: list[float], final: list[float], **changes: Any) -> Trials:
    """One epoch between the first rung and the end; none behind the second one."""
    found = [record("symmetric-0.5", i, 0.9) for i in range(len(final))]
    others = [
        record("symmetric-0.5", 90, 0.9, baseline="ce"),
        record("symmetric-0.5", 91, 0.9, status="pruned"),
        record("symmetric-0.5", 92, 0.9, status="failed"),
    ]
    rows = [row for t, a, b in zip(found, at_rung, final, strict=True) for row in curve(t.trial, a, b)]
    rows += [row for t in others for row in curve(t.trial, 0.99, 0.0)]
    frame = pd.DataFrame(rows, columns=list(curve("", 0, 0)[0]))
    spec = synthetic.SPEC | {"objective": {"metric": "val_acc", "reduction": "mean_last_1"}}
    return synthetic.with_epochs(trials_of(path, *found, *others, spec=spec, **changes), frame)


def test_the_correlation_is_the_studys_and_scipys(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    at_rung = rng.uniform(0, 1, 25)
    final = at_rung + rng.normal(0, 0.4, 25)
    frame = rung_correlation.compute(pruned_study(tmp_path, list(at_rung), list(final))).frame
    rows = frame[frame["condition"] == "symmetric-0.5"]
    assert list(rows["samples"]) == [BUDGET // 4, BUDGET // 2]
    assert list(rows["n"]) == [25, 0]
    first, second = rows.to_dict("records")
    expected = stats.spearmanr(at_rung, final).statistic
    assert first["spearman"] == pytest.approx(expected)
    assert first["kendall"] == pytest.approx(stats.kendalltau(at_rung, final).statistic)
    curves = [curve("", a, b) for a, b in zip(at_rung, final, strict=True)]
    told = rank_correlation(curves, BUDGET // 4, "val_acc", 1)
    assert (first["n"], first["spearman"], first["unsafe"]) == (told.n, told.spearman, told.unsafe)
    # A bootstrap by hand, with its own draws.
    draws = rng.integers(25, size=(1000, 25))
    by_hand = [stats.spearmanr(at_rung[i], final[i]).statistic for i in draws]
    low, high = np.percentile(by_hand, (2.5, 97.5))
    assert (first["low"], first["high"]) == (pytest.approx(low, abs=0.06), pytest.approx(high, abs=0.06))
    assert low < expected < high
    assert math.isnan(second["spearman"])


def test_a_reversed_order_is_unsafe_and_few_trials_are_no_verdict(tmp_path: Path) -> None:
    values = [i / 20 for i in range(MIN_TRIALS)]
    many = rung_correlation.compute(pruned_study(tmp_path / "many", values, values[::-1])).frame
    row = many[many["n"] == MIN_TRIALS].iloc[0]
    assert row["spearman"] == pytest.approx(-1)
    assert (row["low"], row["high"]) == (pytest.approx(-1), pytest.approx(-1))
    assert row["unsafe"]
    few = rung_correlation.compute(pruned_study(tmp_path / "few", values[1:], values[:0:-1])).frame
    row = few[few["n"] == MIN_TRIALS - 1].iloc[0]
    assert row["spearman"] == pytest.approx(-1)
    assert math.isnan(row["low"])
    assert not row["unsafe"]


def test_equal_trials_have_no_correlation(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="No condition has two complete searched trials that differ"):
        rung_correlation.compute(pruned_study(tmp_path, [0.5] * 12, [0.1 * i for i in range(12)]))


@pytest.mark.parametrize("environment", [{}, {"rungs": {}}, {"rungs": {"symmetric-0.5": []}}])
def test_a_study_that_could_not_prune_says_so(tmp_path: Path, environment: dict[str, Any]) -> None:
    with pytest.raises(NotApplicable, match="recorded no rung"):
        rung_correlation.compute(pruned_study(tmp_path, [0.1, 0.2], [0.1, 0.2], environment=environment))


# variance


def again(condition: str, setting: str, repeat: int, test: float, **changes: Any) -> Any:
    named = {"trial": f"{setting}@{condition}-r{repeat}", "setting": setting, "phase": "confirm"}
    return record(condition, repeat, test, **(named | changes))


def table_of(path: Path, values: Any, condition: str = "symmetric-0.5", **changes: Any) -> Trials:
    """`values`: (repeats, settings); NaN: the training failed."""
    trainings = [
        again(
            condition, f"{condition}-{s:04d}", r, test, status="failed" if math.isnan(test) else "complete", **changes
        )
        for r, row in enumerate(values)
        for s, test in enumerate(row)
    ]
    return trials_of(path, record(condition, 0, 0.9), *trainings)


def test_shares_by_hand() -> None:
    """Repeats 1, 2, 3 move both settings alike, and setting 2 moves by +-1 beside that."""
    values = np.array([[10.0, 20.0], [11.0, 22.0], [12.0, 21.0]]) / 100
    spread, share, low, high, rest = variance.shares(values)
    # Row means 15, 16.5, 16.5 about 16: sum of squares 2 (1 + .25 + .25) = 3, mean square 1.5. What is left: column
    # means 11, 21, so rows less both means are 0 0, -.5 .5, .5 -.5: sum of squares 1, mean square .5.
    assert share == pytest.approx((1.5 - 0.5) / (1.5 + 0.5))
    assert spread == pytest.approx(math.sqrt(0.5 + 0.5) / 100)
    assert rest == pytest.approx(1 - share)
    # Shrout and Fleiss 1979, their interval of ICC(3,1): F / F.975(2, 2) and F * F.975(2, 2), of which F.975 is 39.
    assert low == 0
    assert high == pytest.approx((3 * 39 - 1) / (3 * 39 + 1))


def test_shares_of_shrout_and_fleiss() -> None:
    """Their table 2: six targets (here repeats), four judges (here settings); ICC(3,1) is .71, from .34 to .95."""
    values = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]) / 100
    _, share, low, high, _ = variance.shares(values)
    assert (round(share, 2), round(low, 2), round(high, 2)) == (0.71, 0.34, 0.95)


def test_a_planted_share_comes_back_and_its_interval_covers_it() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        draw, rest = rng.normal(0, 0.02, (6, 1)), rng.normal(0, 0.01, (6, 5))
        found.append(variance.shares(0.9 + np.arange(5) / 50 + draw + rest))
    spread, share, low, high, _ = np.array(found).T
    assert np.median(share) == pytest.approx(0.8, abs=0.03)
    assert np.sqrt(np.mean(spread**2)) == pytest.approx(math.sqrt(0.0005), rel=0.05)
    assert ((low <= 0.8) & (high >= 0.8)).mean() == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((3, 2), 0.5), (0, NAN, NAN, NAN, NAN)),
        (np.array([[0.1, 0.2], [0.2, 0.3], [0.3, 0.4]]), (0.1, 1, 1, 1, 0)),
        (np.array([[0.1, 0.2], [0.2, 0.1]]), (0.1, 0, 0, None, 1)),
    ],
)
def test_shares_where_only_one_chance_or_none_is_at_work(values: Any, expected: tuple[float | None, ...]) -> None:
    for found, wanted in zip(variance.shares(values), expected, strict=True):
        if wanted is not None:
            assert found == pytest.approx(wanted, nan_ok=True, abs=1e-9)


def test_variance_of_a_study(confirmed_study: Trials) -> None:
    info = variance.compute(confirmed_study)
    assert list(info.frame["condition"]) == list(synthetic.CONDITIONS)
    assert set(zip(info.frame["repeats"], info.frame["settings"], strict=True)) == {(4, 5)}
    row = info.frame.iloc[1]
    own = confirmed_study.confirmations[confirmed_study.confirmations["condition"] == "symmetric-0.5"]
    wide = own.pivot(index="number", columns="setting", values="oracle_test_acc").to_numpy()
    assert row["noise_draw"] == pytest.approx(variance.shares(wide)[1])
    assert info.missing == ()


def test_a_missing_training_costs_its_repeat_or_its_setting(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.8, 0.9, (4, 3))
    values[1, 2] = NAN
    row = variance.compute(table_of(tmp_path / "one", values)).frame.iloc[0]
    assert (row["repeats"], row["settings"]) == (3, 3)
    assert row["noise_draw"] == pytest.approx(variance.shares(values[[0, 2, 3]])[1])
    values[2:, 2] = NAN
    row = variance.compute(table_of(tmp_path / "many", values)).frame.iloc[0]
    assert (row["repeats"], row["settings"]) == (4, 2)


@pytest.mark.parametrize(
    ("shape", "changes", "reason"),
    [
        (
            (5, 1),
            {},
            r"^symmetric-0\.5: in 5 x 1 trainings \(repeats x settings\) noise draw and training seed .* conf",
        ),
        ((1, 5), {}, r"^symmetric-0\.5: in 1 x 5 trainings"),
        ((5, 3), {"noise_kind": "file"}, r"^symmetric-0\.5: its labels are given and no noise is drawn"),
    ],
)
def test_variance_says_what_is_confounded(
    tmp_path: Path, shape: tuple[int, int], changes: dict[str, Any], reason: str
) -> None:
    values = np.random.default_rng(0).uniform(0.8, 0.9, shape)
    with pytest.raises(NotApplicable, match=reason):
        variance.compute(table_of(tmp_path, values, **changes))


def test_a_study_of_failed_confirmations_has_neither_figure(tmp_path: Path) -> None:
    trials = table_of(tmp_path, np.full((3, 3), NAN))
    for module in (confirmed, variance):
        with pytest.raises(NotApplicable, match="No setting has been trained again"):
            module.compute(trials)


# confirmed


def test_confirmed_shows_each_setting_with_its_interval(confirmed_study: Trials) -> None:
    info = confirmed.compute(confirmed_study)
    own = info.frame[info.frame["condition"] == "symmetric-0.5"]
    assert sorted(own["method"]) == ["chosen", "chosen", "codim-sup", "dividemix", "robust"]
    row = own[own["method"] == "robust"].iloc[0]
    values = confirmed_study.confirmations.query("condition == 'symmetric-0.5' and setting == 'symmetric-0.2-0007'")
    mean, error = values["oracle_test_acc"].mean(), values["oracle_test_acc"].std() / 2
    assert row["oracle_test_acc"] == pytest.approx(mean)
    # Student's t with 3 degrees of freedom: 3.182.
    assert (row["low"], row["high"]) == (
        pytest.approx(mean - 3.182 * error, abs=1e-5),
        pytest.approx(mean + 3.182 * error, abs=1e-5),
    )
    assert "n = 4 trainings of each setting, 80 in all" in confirmed.caption(info)


def test_one_training_each_has_no_interval(tmp_path: Path) -> None:
    info = confirmed.compute(table_of(tmp_path, [[0.9, 0.8], [0.7, NAN]]))
    assert list(info.frame["n"]) == [2, 1]
    assert math.isnan(info.frame["low"].iloc[1])
    assert "A mark without a line is one training" in confirmed.caption(info)
    assert list(info.frame["oracle_test_acc"]) == pytest.approx([0.8, 0.8])
