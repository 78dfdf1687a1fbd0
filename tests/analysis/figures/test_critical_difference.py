"""The critical-difference diagram, against the worked example and the tables of Demsar 2006 (JMLR 7)."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from analysis.figures import critical_difference as cd
from analysis.figures import style
from analysis.frames.load import NotApplicable, Trials, load_trials
from tests.support import synthetic
from tests.support.synthetic import record

NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
AUC = [
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.97501, 0.975),
    (0.957, 0.978, 0.946, 0.970),
]
"""Table 6: rows are data sets, columns NAMES. The paper ranks by more digits than it prints: .975 before .975."""


@pytest.fixture
def demsar(tmp_path: Path) -> Trials:
    trials = [
        replace(record("symmetric-0.5", i, test, baseline=name), condition=f"set{s:02d}", trial=f"set{s:02d}-{i:04d}")
        for s, row in enumerate(AUC)
        for i, (name, test) in enumerate(zip(NAMES, row, strict=True))
    ]
    return load_trials(
        synthetic.write(tmp_path, trials, spec=synthetic.SPEC | {"baselines": {name: {} for name in NAMES}})
    )


def test_the_worked_example(demsar: Trials) -> None:
    info = cd.compute(demsar)
    ranks = {"C4.5+m+cf": 1.964, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5": 3.143}
    assert list(info.ranks.index) == list(ranks)
    assert list(info.ranks) == pytest.approx(list(ranks.values()), abs=5e-4)
    assert info.critical_difference == pytest.approx(1.25, abs=0.005)
    # The paper's 9.28 does not correct for ties, scipy does: the same statistic over 1 - sum(t^3 - t)/(n (k^3 - k)).
    ties = 6 + 6 + 60 + 6
    statistic = 9.28 / (1 - ties / (14 * (4**3 - 4)))
    assert info.p_value == pytest.approx(stats.chi2.sf(statistic, 3), rel=0.01)
    # At alpha = .05 the paper finds no pair apart: 3.143 - 1.964 = 1.18.
    assert info.groups == (pytest.approx((1.964, 3.143), abs=5e-4),)
    assert len(info.frame) == 14 * 4
    assert not info.confirmed


@pytest.mark.parametrize(("methods", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_critical_values_are_those_of_the_table(methods: int, q: float) -> None:
    """Table 5 (a), q at .05."""
    expected = q * np.sqrt(methods * (methods + 1) / (6 * 20))
    assert cd.critical_difference(methods, 20) == pytest.approx(expected, rel=3e-4)


def test_two_conditions_can_never_tell_first_from_last() -> None:
    assert all(cd.critical_difference(methods, cd.MIN_CONDITIONS - 1) > methods - 1 for methods in range(3, 21))
    assert cd.critical_difference(3, cd.MIN_CONDITIONS) < 2


def test_groups_are_the_largest_within_the_critical_difference() -> None:
    ranks = np.array([1.0, 1.5, 2.9, 3.0, 5.0])
    assert cd._groups(ranks, 2.0) == [(1.0, 2.9), (1.5, 3.0)]
    # A difference of just the critical one is significant.
    assert cd._groups(np.array([1.0, 3.0]), 2.0) == []
    assert cd._groups(np.array([1.0, 1.0, 3.0]), 2.5) == [(1.0, 3.0)]


def test_without_confirmations_the_search_stands_in_and_hindsight_does_not(study: Trials) -> None:
    info = cd.compute(study)
    assert set(info.frame["method"]) == {*synthetic.BASELINES, "chosen"}
    assert info.ranks.to_dict() == {"chosen": 1, "codim-sup": 2, "codim-self": 3, "dividemix": 4, "ce": 5}
    assert "one training a method" in cd.caption(info)
    assert "n = 4 conditions, 20 trainings" in cd.caption(info)


def test_confirmations_come_first_once_they_are_enough(study: Trials, tmp_path: Path) -> None:
    again = [
        record(
            row.condition,
            repeat,
            test + 0.01 * repeat,
            trial=f"{row.trial}@{row.condition}-r{repeat}",
            setting=row.trial,
            phase="confirm",
            baseline=row.baseline,
        )
        for row in study.complete.itertuples()
        for name, test in {"ce": 0.9, "dividemix": 0.8, "codim-sup": 0.7}.items()
        if row.baseline == name
        for repeat in range(3)
    ]
    info = cd.compute(load_trials(synthetic.write(tmp_path / "all", [*synthetic.records(), *again])))
    assert info.confirmed
    assert info.ranks.to_dict() == {"ce": 1, "dividemix": 2, "codim-sup": 3}
    assert list(info.frame["oracle_test_acc"]) == pytest.approx([0.91, 0.71, 0.81] * 4)
    assert "n = 4 conditions, 36 trainings" in cd.caption(info)
    few = [trial for trial in again if trial.condition.startswith("symmetric-0.5")]
    assert not cd.compute(load_trials(synthetic.write(tmp_path / "few", [*synthetic.records(), *few]))).confirmed


def test_too_few_conditions_are_counted(tmp_path: Path) -> None:
    trials = [record(c, i, 0.9, baseline=n) for c in list(synthetic.CONDITIONS)[:2] for i, n in enumerate("abc")]
    trials.append(record("symmetric-0.8", 0, 0.9, baseline="a"))
    with pytest.raises(NotApplicable, match=r"methods: 3, conditions that have all of them: 2\.$"):
        cd.compute(load_trials(synthetic.write(tmp_path, trials)))


def test_methods_level_everywhere_are_one_group_without_a_finding(tmp_path: Path) -> None:
    trials = [record(c, i, 0.9, baseline=n) for c in synthetic.CONDITIONS for i, n in enumerate("abc")]
    info = cd.compute(load_trials(synthetic.write(tmp_path, trials)))
    assert info.p_value == 1
    assert set(info.ranks) == {2}
    assert "read no difference into it" in cd.caption(info)


def test_every_method_is_named_with_its_rank_and_every_group_is_drawn(demsar: Trials) -> None:
    with matplotlib.rc_context(style.RC):
        figure = Figure(layout="constrained")
        cd.draw(cd.compute(demsar), figure)
        figure.draw_without_rendering()
        (ax,) = figure.axes
    texts = {text.get_text().strip() for text in ax.texts}
    assert {"C4.5+m+cf (1.96)", "C4.5+m (2.00)", "C4.5+cf (2.89)", "C4.5 (3.14)"} < texts
    (bar,) = ax.collections
    (segment,) = bar.get_segments()
    assert segment[:, 0] == pytest.approx([1.964 - 0.03, 3.143 + 0.03], abs=1e-3)
