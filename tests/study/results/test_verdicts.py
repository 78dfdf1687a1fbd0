"""Fronts and rank correlations, by value; and what a study says at its end."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from codim.config.budget import Speed
from study.monitor.summary import closing
from study.plan.plan import load_plan
from study.plan.rungs import rungs_of
from study.preflight.checks import environment
from study.preflight.forecast import forecast
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.results.verdicts import MIN_TRIALS, UNSAFE_CORRELATION, pareto_front, rank_correlation, rung_pairs
from tests.support.studies import WriteStudy

RECORD = TrialRecord("a", "c", "symmetric", 0.5, "complete", "", "", {}, {}, 0, 8000)


def trial(name: str, objective: float, seconds: float, **changes: Any) -> TrialRecord:
    return replace(RECORD, trial=name, objective=objective, seconds=seconds, **changes)


def test_the_front_by_value() -> None:
    records = [
        trial("dear", 0.9, 30), trial("beaten", 0.6, 20), trial("middle", 0.7, 20), trial("twin", 0.7, 20),
        trial("cheap", 0.5, 10), trial("no better", 0.5, 15),
        trial("pruned", 0.99, 1, status="pruned"), trial("beyond", 0.99, 1, constraints={"seconds": 0.1}),
        trial("within", 0.95, 40, constraints={"seconds": 0.0}), trial("other", 0.1, 99, condition="d"),
    ]  # fmt: skip
    front = {condition: [r.trial for r in own] for condition, own in pareto_front(records).items()}
    assert front == {"c": ["cheap", "middle", "twin", "dear", "within"], "d": ["other"]}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    records = [trial(str(i), objective, seconds) for i, (objective, seconds) in enumerate(points)]

    def dominated(objective: int, seconds: int) -> bool:
        return any(o >= objective and s <= seconds and (o, s) != (objective, seconds) for o, s in points)

    expected = {str(i) for i, point in enumerate(points) if not dominated(*point)}
    assert {record.trial for record in pareto_front(records)["c"]} == expected


def curves(at_rung: list[float], final: list[float]) -> list[list[dict[str, Any]]]:
    """Pre-training, then an epoch that ends just past 4,000 samples, one at 6,000 and one at the end."""
    return [
        [
            {"phase": "pretrain", "samples": 4500, "val_acc": math.nan},
            {"phase": "cotrain", "samples": 4600, "val_acc": early},
            {"phase": "cotrain", "samples": 6000, "val_acc": 0.5},
            {"phase": "cotrain", "samples": 8000, "val_acc": late},
        ]
        for early, late in zip(at_rung, final, strict=True)
    ]


def test_the_correlation_is_scipys() -> None:
    at_rung, final = [0.1, 0.2, 0.3, 0.4, 0.4], [0.3, 0.1, 0.4, 0.5, 0.2]
    found = rank_correlation(curves(at_rung, final), 4000, "val_acc", 1)
    assert (found.samples, found.n) == (4000, 5)
    assert found.spearman == pytest.approx(stats.spearmanr(at_rung, final).statistic)
    assert found.kendall == pytest.approx(stats.kendalltau(at_rung, final).statistic)
    # By hand, without ties: ranks 1 2 3 against 2 1 3, so 1 - 6 * 2 / (3 * 8); two pairs agree, one does not.
    by_hand = rank_correlation(curves([0.1, 0.2, 0.3], [0.2, 0.1, 0.3]), 4000, "val_acc", 1)
    assert by_hand.spearman == pytest.approx(0.5)
    assert by_hand.kendall == pytest.approx(1 / 3)


def test_the_final_value_is_of_the_last_epochs() -> None:
    """The last two: .5 and the last."""
    found = rank_correlation(curves([0.1, 0.2, 0.3], [0.9, 0.8, 0.7]), 4000, "val_acc", 2)
    assert found.spearman == pytest.approx(-1)


def test_no_epoch_counts_at_the_rung_and_at_the_end() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    curve = [{"phase": "cotrain", "samples": 1000 * (i + 1), "val_acc": value} for i, value in enumerate(values)]
    ends = {rung: rung_pairs([curve], rung, "val_acc", 3) for rung in (1000, 2000, 4000, 5000)}
    assert ends == {1000: [(1, 28 / 3)], 2000: [(1.5, 28 / 3)], 4000: [(14 / 3, 16)], 5000: []}


@pytest.mark.parametrize("rung", [30, 56, 59])
def test_without_any_signal_no_rung_correlates(rung: int) -> None:
    rng = np.random.default_rng(0)
    curves = [
        [{"phase": "cotrain", "samples": i + 1, "val_acc": value} for i, value in enumerate(own)]
        for own in rng.normal(size=(2000, 60))
    ]
    assert abs(rank_correlation(curves, rung, "val_acc", 5).spearman) < 0.06


def test_without_variation_there_is_no_correlation() -> None:
    for own in ([], curves([0.1], [0.2]), curves([0.1, 0.1], [0.2, 0.3])):
        found = rank_correlation(own, 4000, "val_acc", 1)
        assert math.isnan(found.spearman)
        assert not found.unsafe
    # A trial without an epoch between the rung and its end says nothing of the rung.
    assert rank_correlation(curves([0.1, 0.2], [0.2, 0.3]), 7000, "val_acc", 1).n == 0


@pytest.mark.parametrize(
    ("n", "flip", "unsafe"), [(MIN_TRIALS, True, True), (MIN_TRIALS - 1, True, False), (20, False, False)]
)
def test_a_study_says_at_its_end_whether_pruning_was_safe(
    n: int, flip: bool, unsafe: bool, write_study: WriteStudy, tmp_path: Path
) -> None:
    pruner = {"kind": "successive_halving", "min_budget": 4000}
    plan = load_plan(write_study(pruner=pruner, objective={"reduction": "mean_last_1"}))
    folder = ResultsFolder(tmp_path / "results")
    early = [i / n for i in range(n)]
    found = curves(early, early[::-1] if flip else early)
    records = [trial(f"t{i}", curve[-1]["val_acc"], 1, condition="symmetric-0.8") for i, curve in enumerate(found)]
    folder.write_trials([*records, trial("t100", 1.0, 1, condition="symmetric-0.8", baseline="ce")])
    for record, rows in zip(records, found, strict=True):
        whole = {
            "trial": record.trial,
            "condition": record.condition,
            "split_state": "ok",
            "classes_without_labelled": 0,
        }
        folder.write_epochs(record.trial, [whole | {"epoch": i} | row for i, row in enumerate(rows)])
    empty, told, *warnings = (line for line in closing(plan, folder) if "correlation" in line or "warning" in line)
    assert empty.startswith("symmetric-0.5: ")
    assert "nan at 4000 samples (n = 0)" in empty
    assert told.startswith("symmetric-0.8: ")
    assert f"{-1 if flip else 1:.2f} at 4000 samples (n = {n})" in told
    assert len(warnings) == unsafe
    if unsafe:
        assert warnings[0].startswith(f"warning: symmetric-0.8: -1.00 is below {UNSAFE_CORRELATION}")


def test_the_threshold_is_where_the_best_of_27_is_stopped_one_time_in_four() -> None:
    rng = np.random.default_rng(0)
    final, noise = rng.normal(size=(2, 50_000, 27))
    at_rung = 0.5 * final + 0.75**0.5 * noise
    best = np.take_along_axis(at_rung, final.argmax(1)[:, None], 1)
    stopped = float(((at_rung > best).sum(1) >= 9).mean())
    goes_on = at_rung[:2000] > np.quantile(at_rung[:2000], 2 / 3)
    among_those = stats.spearmanr(at_rung[:2000][goes_on], final[:2000][goes_on]).statistic
    assert stopped == pytest.approx(0.25, abs=0.02)
    assert among_those == pytest.approx(UNSAFE_CORRELATION, abs=0.02)


def test_the_rungs_are_left_for_the_analysis(write_study: WriteStudy) -> None:
    pruner = {"kind": "successive_halving", "min_budget": 4000, "reduction_factor": 2}
    plan = load_plan(write_study(pruner=pruner))
    expected = forecast(plan, Speed(1e-3, 1e-3, 1e-3, 1e-3), 1, 1)
    told = environment(plan, expected, {})["rungs"]
    assert told == {condition.id: rungs_of(plan, condition) for condition in plan.conditions}
    assert all(places[0] == 4000 and len(places) == 2 for places in told.values())


def test_a_study_without_pruner_and_cost_has_no_verdict(write_study: WriteStudy, tmp_path: Path) -> None:
    found, *_, onwards = closing(load_plan(write_study(conditions=[{"kind": "none"}])), ResultsFolder(tmp_path))
    assert found == "none: no trial is complete (val_acc)"
    assert onwards.startswith("next: python -m analysis ")
