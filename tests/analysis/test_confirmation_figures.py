"""What the figures of the confirmations compute: shares of the variance, and intervals."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from synthetic import NAN, read, record

from analysis.load import NotApplicable, Trials
from analysis.plots import confirmed, variance


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
    return read(path, [record(condition, 0, 0.9), *trainings])


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
