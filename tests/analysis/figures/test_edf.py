"""The distribution of objectives, by value and against Optuna's own."""

from pathlib import Path

import numpy as np
import pytest
from optuna.visualization import _edf

from analysis.figures import edf
from tests.support.drawing import drawn
from tests.support.searches import WHERE, optuna_study, searched
from tests.support.synthetic import NAN, read, record


def test_distribution_is_that_of_optuna(tmp_path: Path) -> None:
    records = searched(15)
    frame = edf.compute(read(tmp_path, records)).frame
    theirs = _edf._get_edf_info(optuna_study(records))
    steps = np.searchsorted(frame["objective"], theirs.x_values, side="right")
    assert list(frame["share"].to_numpy()[steps - 1]) == pytest.approx(list(theirs.lines[0].y_values))


def test_distribution_counts_pruned_trials_as_behind_and_places_baselines(tmp_path: Path) -> None:
    records = [
        record(WHERE, 0, 0.9, objective=0.6, baseline="ce"),
        record(WHERE, 1, 0.9, objective=0.4, baseline="dividemix"),
        record(WHERE, 2, 0.9, objective=0.5),
        record(WHERE, 3, 0.9, objective=0.7),
        record(WHERE, 4, 0.9, objective=0.9, status="pruned"),
        record(WHERE, 5, 0.9, objective=NAN, status="failed"),
        record("symmetric-0.8", 0, 0.9, objective=0.3, baseline="ce"),
    ]
    info = edf.compute(read(tmp_path, records))
    assert list(info.frame["objective"]) == [0.4, 0.5, 0.6, 0.7]
    assert list(info.frame["role"]) == ["dividemix", "search", "ce", "chosen"]
    assert list(info.frame["share"]) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert set(info.frame["ruled_out"]) == {1 / 3}
    (ax,) = drawn(edf, info).axes
    curve = ax.lines[0]
    assert list(curve.get_xdata()) == [0.4, 0.5, 0.7]
    assert list(curve.get_ydata()) == pytest.approx([1 / 3, 2 / 3, 1])
