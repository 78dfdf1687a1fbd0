"""Shares of the variance: the intraclass correlation of accuracies in units of each setting's own deviation."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from analysis.figures import variance
from analysis.frames.join import join
from analysis.frames.load import NotApplicable, Trials, load_trials
from study.results.records import TrialRecord
from tests.support import synthetic
from tests.support.synthetic import record

Array = npt.NDArray[np.float64]
TEN = np.array([10.0, 1, 1, 1, 1, 1])
"""One setting varies ten times as much as the others, as `ce` does under strong noise."""


def tables(rng: np.random.Generator, share: float, repeats: int, settings: int) -> Array:
    """(2000, repeats, settings): the noise draw makes this share of each setting's variance."""
    draw, rest = (rng.normal(0, 1, (2000, repeats, n)) for n in (1, settings))
    return 0.8 + 0.01 * (np.sqrt(share) * draw + np.sqrt(1 - share) * rest)


def confirmations(condition: str, values: Array) -> list[TrialRecord]:
    """`values`: (repeats, settings)."""
    names = [f"{condition}-{setting:04d}" for setting in range(values.shape[1])]
    return [
        record(condition, repeat, test, trial=f"{name}@{condition}-r{repeat}", setting=name, phase="confirm")
        for repeat, row in enumerate(values)
        for name, test in zip(names, row, strict=True)
    ]


def study(root: Path, **values: Array) -> Trials:
    """By condition, without its kind."""
    own = [row for rate, table in values.items() for row in confirmations(f"symmetric-0.{rate[1:]}", table)]
    return load_trials(synthetic.write(root, own))


def icc(values: Array) -> float:
    """ICC(3,1) of Shrout and Fleiss 1979 by its mean squares, of (targets, judges)."""
    n, k = values.shape
    rows, columns, mean = values.mean(1), values.mean(0), values.mean()
    between = k * sum((row - mean) ** 2 for row in rows) / (n - 1)
    rest = sum((values[i, j] - rows[i] - columns[j] + mean) ** 2 for i in range(n) for j in range(k))
    within = rest / ((n - 1) * (k - 1))
    return float((between - within) / (between + (k - 1) * within))


def test_shares_by_hand() -> None:
    """Deviations -1 0 1 and -1 1 0 from the means: their correlation is 1/2. The second setting's are three times as
    large, which decides nothing."""
    values = np.array([[10, 37], [11, 43], [12, 40]]) / 100
    spread, share, low, high, rest = variance.shares(values)
    assert share == pytest.approx(0.5)
    assert rest == pytest.approx(0.5)
    assert spread == pytest.approx((0.01 + 0.03) / 2)
    assert low == 0
    assert 0.9 < high <= 1


def test_the_oracle_finds_what_shrout_and_fleiss_print() -> None:
    """Their table 2: six targets (here repeats), four judges (here settings)."""
    values = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]) / 100
    assert round(icc(values), 2) == 0.71
    share = variance.shares(values)[1]
    assert share == pytest.approx(icc(values / values.std(axis=0, ddof=1)))
    off_diagonal = np.corrcoef(values.T)[np.triu_indices(4, 1)]
    assert share == pytest.approx(off_diagonal.mean())


def test_one_sensitive_setting_does_not_hide_that_all_chance_is_the_draws() -> None:
    """Unless each setting is measured by its own deviation, .23 is found here on average, and no interval holds 1."""
    values = 0.8 + 0.01 * np.random.default_rng(0).normal(0, 1, (5, 1)) * TEN
    _, share, low, high, rest = variance.shares(values)
    assert (share, low, high, rest) == pytest.approx((1, 1, 1, 0))


def test_no_setting_counts_more_than_another() -> None:
    values = tables(np.random.default_rng(1), 0.5, 5, 6)[0]
    assert variance.shares(TEN * values)[1:] == pytest.approx(variance.shares(values)[1:])


@pytest.mark.parametrize("scale", [np.ones(6), TEN])
@pytest.mark.parametrize("repeats", [3, 5])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_planted_share_comes_back_and_its_interval_holds_it(share: float, repeats: int, scale: Array) -> None:
    simulated = scale * tables(np.random.default_rng(2), share, repeats, 6)
    _, found, low, high, _ = np.array([variance.shares(values) for values in simulated]).T
    assert 0.93 <= ((low <= share) & (share <= high)).mean() <= 0.97
    # A little low on average, as the estimate from settings of known, equal deviations is.
    known = np.mean([max(0, icc(values / scale)) for values in simulated[:300]])
    assert known - 0.03 < found.mean() < share + 0.02
    assert np.median(found) == pytest.approx(share, abs=0.12)


def test_where_no_chance_is_the_draws_the_interval_begins_at_0() -> None:
    found = np.array([variance.shares(values) for values in tables(np.random.default_rng(3), 0, 4, 3)])
    assert (found[:, 2] == 0).mean() >= 0.95


@pytest.mark.parametrize("repeats", [3, 5, 10])
def test_the_bound_of_two_unrelated_settings_is_pearsons(repeats: int) -> None:
    """The estimate of two settings is their correlation, whose critical values follow from Student's t."""
    t = stats.t.ppf(0.975, repeats - 2)
    assert variance._quantiles(repeats, 2)[1][0] == pytest.approx(t / np.sqrt(t**2 + repeats - 2), abs=0.02)


def test_many_repeats_give_fishers_interval() -> None:
    values = tables(np.random.default_rng(4), 0.6, 60, 2)[0]
    _, share, low, high, _ = variance.shares(values)
    oracle = stats.pearsonr(*values.T)
    assert share == pytest.approx(oracle.statistic)
    assert (low, high) == pytest.approx(tuple(oracle.confidence_interval(0.95)), abs=0.03)


def test_two_repeats_have_no_bar_and_one_sentence_says_so(tmp_path: Path) -> None:
    two, three = np.array([[0.1, 0.2, 0.3], [0.2, 0.4, 0.2]]), np.random.default_rng(0).uniform(0.8, 0.9, (3, 3))
    info = variance.compute(study(tmp_path / "some", _2=two, _5=three, _8=two))
    assert list(info.frame["condition"]) == ["symmetric-0.5"]
    assert info.missing == (
        "symmetric-0.2, symmetric-0.8: 2 repeats do not tell how much each setting varies; 3 are needed.",
    )
    assert info.missing[0] in variance.caption(info)
    with pytest.raises(NotApplicable, match=r"^symmetric-0\.2: 2 repeats do not tell"):
        variance.compute(study(tmp_path / "none", _2=two))


def test_settings_that_came_out_equal_are_left_out(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.8, 0.9, (4, 3))
    values[:, 1] = 0.85
    row = variance.compute(study(tmp_path / "one", _5=values)).frame.iloc[0]
    assert (row["repeats"], row["settings"]) == (4, 2)
    assert row["noise_draw"] == variance.shares(values[:, [0, 2]])[1]
    values[:, 2] = 0.9
    with pytest.raises(NotApplicable, match=r"^symmetric-0\.5: of 3 settings 1 vary over 4 repeats; 2 are needed\.$"):
        variance.compute(study(tmp_path / "two", _5=values))


def test_enough_repeats_come_before_more_settings(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.8, 0.9, (3, 5))
    own = [
        row
        for row in confirmations("symmetric-0.5", values)
        if int(row.trial[-1]) < 2 or int(row.setting[-1]) < 2  # repeat 2 of three settings is missing
    ]
    row = variance.compute(load_trials(synthetic.write(tmp_path, own))).frame.iloc[0]
    assert (row["repeats"], row["settings"]) == (3, 2)


def test_each_study_has_its_own_noise_draws(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = [rng.uniform(0.8, 0.9, (n, 3)) for n in (3, 4)]
    parts = [study(tmp_path / f"{n}" / "digits", _5=own) for n, own in enumerate(values)]
    frame = variance.compute(join(parts)).frame
    assert list(frame["condition"]) == ["digits-1/symmetric-0.5", "digits-2/symmetric-0.5"]
    assert list(frame["repeats"]) == [3, 4]
    assert list(frame["noise_draw"]) == pytest.approx([variance.shares(own)[1] for own in values])
