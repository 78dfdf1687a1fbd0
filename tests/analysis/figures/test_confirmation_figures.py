"""What the figures of the confirmations compute: shares of the variance, and intervals."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.figures import confirmed, variance
from analysis.frames.load import NotApplicable, Trials
from tests.support import synthetic
from tests.support.synthetic import NAN, read, record


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
    assert "Fewer than three trainings, or equal ones, have no line" in confirmed.caption(info)
    assert list(info.frame["oracle_test_acc"]) == pytest.approx([0.8, 0.8])
