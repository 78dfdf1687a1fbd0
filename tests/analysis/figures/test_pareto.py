"""The front of objective and time, by value and against Optuna's own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.visualization import _pareto_front

from analysis.figures import pareto
from analysis.frames.load import NotApplicable
from tests.support.searches import WHERE, optuna_study, searched
from tests.support.synthetic import NAN, read, record


def test_the_front_is_that_of_optuna(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    # Rounded, so that there are ties in one of both and in both.
    records = [
        replace(one, seconds=float(rng.integers(1, 9)), objective=float(rng.integers(1, 9)) / 10)
        for one in searched(40)
    ]
    frame = pareto.compute(read(tmp_path, records)).frame
    theirs = _pareto_front._get_pareto_front_info(optuna_study(records, ("seconds", "objective")))
    assert sorted(frame.index[frame["front"]]) == sorted(trial.number for trial, _ in theirs.best_trials_with_values)
    assert 0 < frame["front"].sum() < 40


def test_the_front_holds_baselines_but_no_pruned_trial(tmp_path: Path) -> None:
    records = [
        record(WHERE, 0, 0.9, objective=0.5, seconds=10.0, baseline="ce"),
        record(WHERE, 1, 0.9, objective=0.6, seconds=30.0),
        record(WHERE, 2, 0.9, objective=0.6, seconds=40.0),
        record(WHERE, 3, 0.9, objective=0.7, seconds=5.0, status="pruned"),
        record(WHERE, 4, 0.9, objective=NAN, seconds=1.0),
        record("symmetric-0.8", 0, 0.9, objective=0.1, seconds=90.0),
    ]
    frame = pareto.compute(read(tmp_path, records)).frame.set_index("trial")
    assert frame["front"].to_dict() == {
        f"{WHERE}-0000": True,
        f"{WHERE}-0001": True,
        f"{WHERE}-0002": False,
        "symmetric-0.8-0000": True,
    }
    assert frame["role"].to_dict()[f"{WHERE}-0000"] == "ce"


def test_the_front_needs_times(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="time in training"):
        pareto.compute(read(tmp_path, searched(5, seconds=0.0)))
