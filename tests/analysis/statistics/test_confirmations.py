"""What confirmation says of each setting: failures, intervals and roles, in one study and in several."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from analysis.figures import confirmed, critical_difference, style
from analysis.frames.join import join
from analysis.frames.load import NotApplicable, Trials, load_trials
from analysis.page import sentences as summary
from analysis.page.page_tables import report_tables
from analysis.statistics import comparison
from analysis.statistics.confirmation import confirmation_table
from analysis.tables.study_tables import failure_table
from study.results.records import TrialRecord
from tests.support import synthetic
from tests.support.synthetic import record

NAN = float("nan")
A, B, C = "symmetric-0.2", "symmetric-0.5", "symmetric-0.8"
CE, MIX, CHOSEN, OTHER = "0000", "0001", "0002", "0003"
"""The numbers of the trials: two baselines, what the objective ranks first, what it ranks second."""
Tests = Mapping[tuple[str, str], Sequence[float]]
"""By condition and setting, one a repeat; NaN: that training failed."""


def again(condition: str, setting: str, tests: Sequence[float]) -> list[TrialRecord]:
    """`setting`: a number of this condition, or a trial of another one."""
    name = setting if "-" in setting else f"{condition}-{setting}"
    baseline = {CE: "ce", MIX: "dividemix"}.get(setting, "")
    own = [
        record(condition, repeat, test, trial=f"{name}@{condition}-r{repeat}", setting=name, phase="confirm")
        for repeat, test in enumerate(tests)
    ]
    lost = {"status": "failed", "cause": "the loss became NaN at epoch 3"}
    return [replace(row, baseline=baseline, **(lost if math.isnan(row.oracle_test_acc) else {})) for row in own]


def study(root: Path, tests: Tests, *more: TrialRecord, best: float = 0.7) -> Trials:
    """`best`: the objective of the first setting in each condition."""
    rows = list(more)
    for condition in dict.fromkeys(condition for condition, _ in tests):
        rows += [record(condition, i, 0.5, baseline=name) for i, name in enumerate(("ce", "dividemix"))]
        rows += [record(condition, 2, 0.8, objective=best), record(condition, 3, 0.9, objective=0.6)]
    for (condition, setting), values in tests.items():
        rows += again(condition, setting, values)
    spec = synthetic.SPEC | {"baselines": {"ce": {}, "dividemix": {}}}
    return load_trials(synthetic.write(root, rows, spec=spec))


def axes(trials: Trials) -> dict[str, Axes]:
    """The panels of the figure, by condition."""
    with matplotlib.rc_context(style.RC):
        figure = Figure(layout="constrained")
        confirmed.draw(confirmed.compute(trials), figure)
        figure.draw_without_rendering()
    return {ax.get_title(loc="left"): ax for ax in figure.axes}


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


@pytest.fixture
def diverging(tmp_path: Path) -> Trials:
    """The chosen setting fails in three of five trainings, ce in all of two; one training more is under way."""
    running = replace(again(A, CHOSEN, [0.5] * 6)[5], status="running", oracle_test_acc=NAN)
    tests = {(A, CE): [NAN, NAN], (A, MIX): [0.8, 0.7, 0.9], (A, CHOSEN): [0.98, NAN, NAN, 0.96, NAN]}
    return study(tmp_path, tests, running, record(A, 9, 0.5, status="failed", cause="out of memory"))


def test_failed_trainings_are_counted_beside_the_mean_of_the_others(diverging: Trials) -> None:
    table = confirmation_table(diverging).set_index("method")
    assert table[["n", "failed", "begun"]].to_numpy().tolist() == [[0, 2, 2], [3, 0, 3], [2, 3, 6]]
    assert list(table["oracle_test_acc"]) == pytest.approx([NAN, 0.8, 0.97], nan_ok=True)
    (shown,) = (own for own in report_tables(diverging) if own.title == "Confirmed")
    assert shown.headings[-3:] == ("n", "failed", "begun")
    assert [cell.text for cell in shown.rows[2]][-3:] == ["2", "3", "6"]


def test_the_figure_names_failures_in_the_row(diverging: Trials) -> None:
    (ax,) = axes(diverging).values()
    assert labels(ax) == ["ce (n = 0, 2 failed)", "dividemix", "chosen 0002 (n = 2, 3 failed)"]
    assert "5 of the 11 trainings begun failed" in confirmed.caption(confirmed.compute(diverging))


def test_a_caution_for_every_method_with_failures(diverging: Trials) -> None:
    found = [note for note in summary.cautions(diverging) if "should confirm" in note]
    assert [note.partition(". ")[0] for note in found] == [
        f"ce: trainings that should confirm it failed ({A}: 2 of 2)",
        f"chosen: trainings that should confirm it failed ({A}: 3 of 6)",
    ]
    assert not any("dividemix" in note for note in found)


def test_failures_of_both_phases_are_in_one_table(diverging: Trials) -> None:
    table = failure_table(diverging)
    assert table.astype({"condition": str}).to_numpy().tolist() == [
        [A, "confirm", "the loss became NaN at epoch 3", 5, f"{A}-0000@{A}-r0"],
        [A, "search", "out of memory", 1, f"{A}-0009"],
    ]


def test_confirmations_that_all_failed_are_counted_in_the_reason(tmp_path: Path) -> None:
    trials = study(tmp_path, {(A, CHOSEN): [NAN, NAN], (A, CE): [NAN]})
    with pytest.raises(NotApplicable, match=r"to confirm it yet; failed: 3\.$"):
        confirmed.compute(trials)
    assert list(confirmation_table(trials)["failed"]) == [1, 2]


@pytest.mark.filterwarnings("error")
def test_intervals_need_three_values_that_differ_and_are_of_accuracies(tmp_path: Path) -> None:
    tests = {(A, CE): [0.5, 0.9], (A, MIX): [0.8, 0.8, 0.8], (A, CHOSEN): [1.0, 0.7, 0.99], (A, OTHER): [0.5, 0.6, 0.7]}
    table = confirmation_table(study(tmp_path, tests))
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    # Student's t with 2 degrees of freedom: 4.3027 standard errors.
    margin = 4.3027 * stats.sem([0.5, 0.6, 0.7])
    below = np.mean([1, 0.7, 0.99]) - 4.3027 * stats.sem([1, 0.7, 0.99])
    assert low == pytest.approx([NAN, NAN, below, 0.6 - margin], nan_ok=True, abs=1e-5)
    assert high == pytest.approx([NAN, NAN, 1, 0.6 + margin], nan_ok=True, abs=1e-5)


def test_every_training_is_drawn_and_the_axis_ends_with_the_data(tmp_path: Path) -> None:
    trials = study(tmp_path, {(A, CE): [0.34, 0.98], (A, MIX): [0.93, 0.95], (A, CHOSEN): [0.9, 1.0, 0.95]})
    (ax,) = axes(trials).values()
    dots = [line for line in ax.lines if line.get_marker() == "."]
    assert [list(np.asarray(line.get_xdata())) for line in dots] == [[0.34, 0.98], [0.93, 0.95], [0.9, 1.0, 0.95]]
    assert all((np.asarray(line.get_ydata()) > row).all() for row, line in enumerate(dots))
    low, high = ax.get_xlim()
    assert 0.3 < low < 0.34
    assert high == 1


def test_the_chosen_setting_may_be_the_robust_one(tmp_path: Path) -> None:
    robust = f"{A}-{CHOSEN}"
    tests = {(A, CE): [0.7], (A, CHOSEN): [0.9], (B, CE): [0.7], (B, CHOSEN): [0.9], (B, robust): [0.8]}
    trials = study(tmp_path, tests)
    table = confirmation_table(trials)
    assert list(table["condition"].astype(str) + " " + table["method"]) == [
        f"{A} ce",
        f"{A} chosen, robust",
        f"{B} robust",
        f"{B} ce",
        f"{B} chosen",
    ]
    panels = axes(trials)
    assert labels(panels[A]) == ["ce", "chosen, robust 0002"]
    assert labels(panels[B]) == ["ce", "chosen 0002", "robust 0002"]
    marks = [line.get_marker() for line in panels[A].lines if line.get_marker() not in (".", "None")]
    assert marks == ["s", "*"]
    marks = [line.get_marker() for line in panels[B].lines if line.get_marker() not in (".", "None")]
    assert marks == ["s", "*", style.ROBUST.marker]


def test_a_setting_whose_trainings_failed_elsewhere_is_still_the_robust_one(tmp_path: Path) -> None:
    trials = study(tmp_path, {(A, CHOSEN): [0.9], (B, f"{A}-{CHOSEN}"): [NAN]})
    assert list(confirmation_table(trials)["method"]) == ["chosen, robust", "robust"]


def test_ranks_count_a_training_once(tmp_path: Path) -> None:
    """The robust setting is the chosen one of A: both would have a rank there from the same trainings."""
    tests = {(c, s): [test, test] for c in (A, B, C) for s, test in ((CE, 0.5), (MIX, 0.6), (CHOSEN, 0.7))}
    elsewhere = {(c, f"{A}-{CHOSEN}"): [0.65, 0.65] for c in (B, C)}
    info = critical_difference.compute(study(tmp_path, {**tests, **elsewhere}))
    assert info.confirmed
    assert info.ranks.to_dict() == {"chosen": 1, "dividemix": 2, "ce": 3}
    assert "n = 3 conditions, 18 trainings" in critical_difference.caption(info)


def test_pairs_are_of_one_study(tmp_path: Path) -> None:
    """Both studies confirm the same settings in the same condition; the chosen one is the second study's."""
    first = {(A, CE): [0.1, 0.2, 0.3], (A, CHOSEN): [0.4, 0.5, 0.6]}
    second = {(A, CE): [0.70, 0.71, 0.75], (A, CHOSEN): [0.80, 0.84, 0.85]}
    trials = join([study(tmp_path / "first", first), study(tmp_path / "second", second, best=0.8)])
    (row,) = comparison.paired_table(trials).itertuples()
    difference = np.subtract(second[A, CHOSEN], second[A, CE])
    assert row.n == 3
    assert row.oracle_difference == pytest.approx(difference.mean())
    assert row.p_value == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)


def test_the_page_of_two_studies_that_confirmed_the_same_condition(tmp_path: Path) -> None:
    tests = {(A, CE): [0.70, 0.71, 0.75], (A, CHOSEN): [0.80, 0.84, 0.85], (B, f"{A}-{CHOSEN}"): [0.8, 0.7, 0.6]}
    trials = join([study(tmp_path / name / "digits", tests) for name in ("x", "y")])
    shown = {table.title: table for table in report_tables(trials)}
    methods = [row[1].text for row in shown["Confirmed"].rows]
    assert methods == ["ce", "chosen, robust", "ce", "chosen, robust", "robust", "robust"]
    assert len(shown["Chosen setting against each baseline, paired"].rows) == 1
    assert labels(axes(trials)[A]) == [
        "ce, digits-1",
        "ce, digits-2",
        "chosen, robust 0002, digits-1",
        "chosen, robust 0002, digits-2",
    ]
