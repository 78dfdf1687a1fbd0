"""Methods against each other: hand-worked numbers, scipy, and definitions written out anew."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.frames.load import Trials, load_trials
from analysis.page import sentences as summary
from analysis.page.page_tables import report_tables
from analysis.statistics import comparison
from analysis.statistics.bootstrap import interquartile_mean, probability_of_improvement, stratified_interval
from study.results.records import TrialRecord
from tests.support import synthetic
from tests.support.synthetic import record

NAN = float("nan")
BASELINES = ("ce", "dividemix")
NUMBERS = {"ce": 0, "dividemix": 1, "chosen": 2, "runner-up": 3}
A, B = "symmetric-0.2", "symmetric-0.5"
CE = [0.70, 0.72, 0.71, 0.69, 0.73]
CHOSEN = [0.80, 0.81, 0.83, 0.78, 0.84]


def confirmation(condition: str, method: str, repeat: int, test: float, home: str = "") -> TrialRecord:
    setting = f"{home or condition}-{NUMBERS[method]:04d}"
    name = f"{setting}@{condition}-r{repeat}"
    baseline = method if method in BASELINES else ""
    return record(condition, repeat, test, trial=name, setting=setting, phase="confirm", baseline=baseline)


def confirmed(root: Path, tests: Mapping[tuple[str, str], Sequence[float]], *more: TrialRecord) -> Trials:
    """A study with these confirmations by condition and method, one a repeat. Its search ranks the trial "chosen" first
    in each condition, though "runner-up" has the better test accuracy."""
    trials = list(more)
    for condition in dict.fromkeys(condition for condition, _ in tests):
        trials += [record(condition, NUMBERS[name], 0.5, baseline=name) for name in BASELINES]
        trials += [record(condition, 2, 0.80, objective=0.7), record(condition, 3, 0.95, objective=0.6)]
    for (condition, method), values in tests.items():
        trials += [confirmation(condition, method, repeat, test) for repeat, test in enumerate(values)]
    return load_trials(
        synthetic.write(root, trials, spec=synthetic.SPEC | {"baselines": {name: {} for name in BASELINES}})
    )


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end_over_all_conditions() -> None:
    samples = [np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[0.6, 0.5, 0.4, 0.3]])]
    assert interquartile_mean(samples) == pytest.approx([(0.4 + 0.5 + 0.6 + 0.7) / 4])
    # Of six scores one and a half lie outside at either end: the second and the fifth count by half.
    six = [np.array([[6.0, 1, 2]]), np.array([[3.0, 5, 40]])]
    assert interquartile_mean(six) == pytest.approx([(2 / 2 + 3 + 5 + 6 / 2) / 3])


def test_the_interquartile_mean_weighs_conditions_equally() -> None:
    few, many = np.array([[0.2, 0.4]]), np.array([[0.6, 0.8] * 10])
    assert interquartile_mean([few, many]) == pytest.approx([(0.4 + 0.6) / 2])


def test_the_interquartile_mean_is_scipys_for_a_multiple_of_four() -> None:
    samples = [np.random.default_rng(2).random((3, n)) for n in (8, 8, 8)]
    assert interquartile_mean(samples) == pytest.approx(stats.trim_mean(np.concatenate(samples, axis=1), 0.25, axis=1))


def test_the_probability_of_improvement_counts_all_pairs_and_ties_by_half() -> None:
    x, y = np.array([[0.9, 0.7]]), np.array([[0.8, 0.7]])
    # .9 is ahead of both; .7 is behind .8 and level with .7.
    assert probability_of_improvement([x, y]) == pytest.approx([(1 + 1 + 0 + 0.5) / 4])
    beaten = [np.array([[0.1, 0.2, 0.3]]), np.array([[0.8, 0.7]])]
    assert probability_of_improvement([x, y, *beaten]) == pytest.approx([(2.5 / 4 + 0) / 2])


def test_the_probability_of_improvement_is_the_mean_of_mann_whitney_tests() -> None:
    rng = np.random.default_rng(3)
    pairs = [(rng.integers(0, 6, n) / 6, rng.integers(0, 6, m) / 6) for n, m in ((5, 5), (7, 4), (4, 6))]
    tests = [stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in pairs]
    assert probability_of_improvement([s[None] for pair in pairs for s in pair])[0] == pytest.approx(np.mean(tests))


def test_the_interval_of_one_mean_is_students() -> None:
    x = np.random.default_rng(4).normal(0.8, 0.02, 12)
    mine = stratified_interval([x], lambda samples: np.asarray(samples[0].mean(axis=1)))
    low, high = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert mine.mean == pytest.approx(x.mean())
    assert (mine.low, mine.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    assert mine.n == 12


def test_the_interval_of_the_interquartile_mean_is_yuens() -> None:
    """Tukey and McLaughlin's interval of a trimmed mean, as scipy tests it, needs no bootstrap: for one condition with
    many seeds both agree."""
    x = np.random.default_rng(5).normal(0.8, 0.02, 60)
    mine = stratified_interval([x], interquartile_mean)
    assert mine.mean == pytest.approx(stats.trim_mean(x, 0.25))
    winsorised = np.clip(x, np.sort(x)[15], np.sort(x)[-16])
    error = winsorised.std(ddof=1) / (0.5 * math.sqrt(60))
    assert (mine.high - mine.low) / 2 == pytest.approx(2.0 * error, rel=0.15)


def test_the_seeds_are_resampled_within_each_condition() -> None:
    """Two conditions far apart: resampled over both, the middle half would swing between them."""
    samples = [np.array([0.1, 0.11, 0.12, 0.13]), np.array([0.9, 0.91, 0.92, 0.93])]
    found = stratified_interval(samples, interquartile_mean)
    rng, literal = np.random.default_rng(9), []
    for condition in range(2):
        values = []
        for _ in range(4000):
            drawn = [list(sample) for sample in samples]
            drawn[condition] = [samples[condition][rng.integers(4)] for _ in range(4)]
            values.append(sum(sorted(drawn[0] + drawn[1])[2:6]) / 4)
        literal.append(np.var(values) * 4 / 3)
    freedom = sum(literal) ** 2 / sum(part**2 / 3 for part in literal)
    margin = stats.t.ppf(0.975, freedom) * math.sqrt(sum(literal))
    assert found.mean == pytest.approx((0.12 + 0.13 + 0.90 + 0.91) / 4)
    assert found.high - found.mean == pytest.approx(margin, rel=0.1)
    assert found.mean - found.low == pytest.approx(margin, rel=0.1)
    assert margin < 0.02


def test_bounds_stay_shares() -> None:
    found = stratified_interval([np.array([0.9, 0.99, 1.0]), np.array([0.95, 0.97, 1.0])], interquartile_mean)
    assert found.high == 1
    assert found.low > 0.8


@pytest.mark.parametrize("samples", [([0.5, 0.6], [0.5, 0.6, 0.7]), ([0.5, 0.5, 0.5], [0.5, 0.5])])
def test_two_seeds_or_no_spread_have_no_interval(samples: tuple[list[float], ...]) -> None:
    found = stratified_interval([np.array(sample) for sample in samples], interquartile_mean)
    assert math.isfinite(found.mean)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.n == 5


def test_holm_by_hand() -> None:
    # In order .005 x 4, .01 x 3, .03 x 2, .04 x 1, none below the one before.
    assert list(comparison.holm([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert list(comparison.holm([0.6, 0.7])) == [1.0, 1.0]
    assert list(comparison.holm([NAN, 0.04, 0.03])) == pytest.approx([NAN, 0.06, 0.06], nan_ok=True)
    assert len(comparison.holm([])) == 0


def test_hedges_g_by_hand() -> None:
    # Means 2 and 1.5; variances 1 and .25; 1 - 3/(4 x 4 - 1) = .8.
    pairs = np.array([[1.0, 1.0], [2.0, 1.5], [3.0, 2.0]])
    assert comparison.hedges_g(pairs) == pytest.approx(0.8 * 0.5 / math.sqrt(0.625))
    assert comparison.hedges_g(pairs[:, ::-1]) == pytest.approx(-0.8 * 0.5 / math.sqrt(0.625))
    assert math.isnan(comparison.hedges_g(np.array([[0.5, 0.4], [0.5, 0.4]])))


def test_the_chosen_one_is_chosen_by_the_objective_and_only_whole_trainings_count(tmp_path: Path) -> None:
    lost = confirmation(A, "chosen", 7, 0.1)
    lost.status = "failed"
    untested = confirmation(A, "chosen", 8, NAN)
    abroad = [confirmation(B, "runner-up", repeat, 0.6, home=A) for repeat in range(2)]
    tests = {(A, "ce"): [0.7], (A, "chosen"): [0.80, 0.82], (A, "runner-up"): [0.95], (B, "chosen"): [0.5]}
    scores = comparison.confirmed_scores(confirmed(tmp_path, tests, lost, untested, *abroad))
    assert scores.drop(columns="trial").astype({"condition": str}).values.tolist() == [
        [A, "ce", 0, 0.7],
        [A, "chosen", 0, 0.80],
        [A, "chosen", 1, 0.82],
        [B, "chosen", 0, 0.5],
        [A, "robust", 0, 0.95],
        [B, "robust", 0, 0.6],
        [B, "robust", 1, 0.6],
    ]


def test_a_setting_may_be_both_chosen_and_robust(tmp_path: Path) -> None:
    abroad = confirmation(B, "chosen", 0, 0.6, home=A)
    scores = comparison.confirmed_scores(confirmed(tmp_path, {(A, "chosen"): [0.8], (B, "chosen"): [0.7]}, abroad))
    assert scores.groupby("method")["oracle_test_acc"].apply(list).to_dict() == {
        "chosen": [0.8, 0.7],
        "robust": [0.8, 0.6],
    }


def test_aggregates_are_over_the_conditions_that_all_methods_share(tmp_path: Path) -> None:
    tests = {(A, "ce"): CE, (A, "chosen"): CHOSEN, (B, "chosen"): [0.1, 0.2, 0.3]}
    table = comparison.aggregate_table(confirmed(tmp_path, tests))
    assert list(table["method"]) == ["chosen", "ce"]
    # Of five scores the outermost are left out, their neighbours count by three quarters.
    expected = [(0.75 * 0.80 + 0.81 + 0.75 * 0.83) / 2.5, (0.75 * 0.70 + 0.71 + 0.75 * 0.72) / 2.5]
    assert list(table["iqm"]) == pytest.approx(expected)
    assert list(table["conditions"]) == [1, 1]
    assert list(table["n"]) == [5, 5]
    assert ((table["iqm_low"] < table["iqm"]) & (table["iqm"] < table["iqm_high"])).all()


def test_improvement_over_each_baseline_where_both_were_confirmed(tmp_path: Path) -> None:
    tests = {(A, "ce"): CE, (A, "chosen"): CHOSEN, (B, "ce"): CHOSEN, (B, "chosen"): CE, (B, "dividemix"): [0.7, 0.9]}
    table = comparison.improvement_table(confirmed(tmp_path, tests)).set_index("rival")
    assert list(table.index) == ["ce", "dividemix"]
    assert table.loc["ce", "improvement"] == pytest.approx((1 + 0) / 2)
    assert (table.loc["ce", "conditions"], table.loc["ce", "n"]) == (2, 20)
    # Chosen .70, .72, .71, .69, .73 against .7 and .9.
    assert table.loc["dividemix", "improvement"] == pytest.approx(3.5 / 10)
    assert (table.loc["dividemix", "conditions"], table.loc["dividemix", "n"]) == (1, 7)
    assert table[["improvement_low", "improvement_high"]].isna().all(axis=None)


def test_the_interval_of_an_improvement(tmp_path: Path) -> None:
    tests = {(A, "ce"): CE, (A, "chosen"): [0.74, 0.71, 0.72, 0.75, 0.70], (B, "ce"): CE, (B, "chosen"): CE[::-1]}
    (row,) = comparison.improvement_table(confirmed(tmp_path, tests)).itertuples()
    # A: 5 + 2.5 + 3.5 + 5 + 1.5 of 25. B: equal but for the order.
    assert row.improvement == pytest.approx((17.5 / 25 + 0.5) / 2)
    assert 0.2 < row.improvement_low < row.improvement < row.improvement_high < 1
    assert row.improvement_high - row.improvement == pytest.approx(row.improvement - row.improvement_low)


def test_paired_tests_compare_equal_repeats(tmp_path: Path) -> None:
    tests = {(A, "ce"): [0.9, *CE], (A, "chosen"): [0.9, *CHOSEN], (B, "dividemix"): CE, (B, "chosen"): CHOSEN[::-1]}
    trials = confirmed(tmp_path, tests)
    # Repeat 0 of the baseline is lost: the others still stand against their own partners.
    kept = trials.confirmations[~((trials.confirmations["baseline"] == "ce") & (trials.confirmations["number"] == 0))]
    table = comparison.paired_table(replace(trials, confirmations=kept))
    assert list(table["condition"]) == [A, B]
    assert list(table["rival"]) == ["ce", "dividemix"]
    for row, chosen in zip(table.itertuples(), (CHOSEN, CHOSEN[::-1]), strict=True):
        difference = np.subtract(chosen, CE)
        test = stats.ttest_1samp(difference, 0)
        assert row.n == 5
        assert row.oracle_difference == pytest.approx(np.mean(difference))
        assert row.p_value == pytest.approx(test.pvalue)
        assert (row.difference_low, row.difference_high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    low, high = sorted(table["p_value"])
    assert sorted(table["holm"]) == pytest.approx([2 * low, max(2 * low, high)])


def test_a_comparison_without_pairs_or_without_spread(tmp_path: Path) -> None:
    tests = {(A, "ce"): [0.7], (A, "chosen"): [0.8], (B, "ce"): [0.7, 0.7, 0.7], (B, "chosen"): [0.8, 0.8, 0.8]}
    table = comparison.paired_table(confirmed(tmp_path, tests))
    assert list(table["condition"]) == [B]
    assert table["oracle_difference"].iloc[0] == pytest.approx(0.1)
    assert table[["difference_low", "difference_high", "hedges_g", "p_value", "holm"]].isna().all(axis=None)


def test_the_summary_names_the_best_confirmed_baseline_and_how_sure(tmp_path: Path) -> None:
    close = [x + d for x, d in zip(CHOSEN, (0.01, -0.02, 0.01, 0.0, -0.01), strict=True)]
    trials = confirmed(
        tmp_path, {(A, "ce"): CE, (A, "chosen"): CHOSEN, (B, "dividemix"): close, (B, "chosen"): CHOSEN, (B, "ce"): CE}
    )
    test = stats.ttest_rel(CHOSEN, CE)
    low, high = test.confidence_interval(0.95)
    first, second, overall = summary.result_sentences(trials)
    assert (
        "Trained again in 5 fresh noise draws it lies 10.2 points above ce, then the best baseline "
        f"([{100 * low:+.1f}, {100 * high:+.1f}], 95% paired t). That is more than chance explains" in first
    )
    assert f"(p = {3 * test.pvalue:.2g} after Holm's correction over all comparisons)" in first
    assert "0.2 points above dividemix, then the best baseline" in second
    assert f"Chance may explain that (p = {stats.ttest_rel(CHOSEN, close).pvalue:.2g} after" in second
    assert overall.startswith("Confirmed: the chosen setting is ahead of every baseline in 2 of 2 conditions, in 1 of")


def test_nothing_confirmed_gives_empty_tables(study: Trials, empty_study: Trials) -> None:
    for trials in (study, empty_study):
        for table in (comparison.aggregate_table, comparison.improvement_table, comparison.paired_table):
            assert table(trials).empty


def test_the_page_shows_them_with_their_n(tmp_path: Path) -> None:
    shown = {table.title: table for table in report_tables(confirmed(tmp_path, {(A, "ce"): CE, (A, "chosen"): CHOSEN}))}
    paired = shown["Chosen setting against each baseline, paired"]
    assert paired.headings[:5] == ("condition", "against", "test gain (points)", "from (points)", "to (points)")
    assert paired.headings[5:] == ("Hedges' g", "p", "p (Holm)", "n")
    assert [cell.text for cell in paired.rows[0]][:3] == [A, "ce", "10.2"]
    assert shown["Interquartile mean over conditions and seeds"].headings[-1] == "n"
    assert [cell.text for cell in shown["Probability of improvement"].rows[0]][:2] == ["ce", "100.0"]
