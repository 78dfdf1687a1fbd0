"""Lines over the axes of all settings, by value and against those that Optuna shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.visualization import _parallel_coordinate

from analysis.figures import parallel_coordinates, style
from analysis.frames.settings import searched_settings
from tests.support.drawing import drawn
from tests.support.searches import optuna_study, searched
from tests.support.synthetic import SPEC, read


def test_fractions_and_places_are_inverse() -> None:
    for setting in searched_settings(SPEC):
        values = np.array([0.0, 1.0]) if setting.axis.choices else np.array([style.ZERO, 0.0, 0.4, 1.0])
        places = style.places(values, setting)
        if setting.axis.choices:
            assert list(places) == [0, 1]
        elif setting.axis.zero:
            assert places[0] == pytest.approx(style.zero_position(setting))
            assert (places[1], places[3]) == pytest.approx((setting.axis.low, setting.axis.high))


def test_lines_go_through_the_values_that_optuna_shows(tmp_path: Path) -> None:
    records = searched(15)
    info = parallel_coordinates.compute(read(tmp_path, records))
    theirs = _parallel_coordinate._get_parallel_coordinate_info(optuna_study(records))
    assert list(info.frame["objective"]) == pytest.approx(list(theirs.dims_objectives[0].values))
    settings = {s.path: s for s in info.settings}
    for path, dim in zip(
        sorted(path for path, s in settings.items() if not s.axis.zero), theirs.dims_params, strict=True
    ):
        setting, mine = settings[path], style.fractions(info.frame[path], settings[path])
        if setting.axis.choices:
            assert list(info.frame[path]) == [dim.ticktext[value] for value in dim.values]
            assert list(mine) == [float(setting.axis.choices.index(choice)) for choice in info.frame[path]]
        else:
            low, high = (
                np.log10([setting.axis.low, setting.axis.high]) if dim.is_log else (setting.axis.low, setting.axis.high)
            )
            assert list(mine) == pytest.approx([(value - low) / (high - low) for value in dim.values])


def test_the_zero_and_pruned_trials_have_their_places(tmp_path: Path) -> None:
    records = searched(10)
    records[0] = replace(records[0], params=records[0].params | {"mixmatch/lambda_u": 0.0})
    records[4] = replace(records[4], status="pruned")
    info = parallel_coordinates.compute(read(tmp_path, records))
    frame = info.frame.set_index("trial")
    assert list(frame.index[frame["objective"].isna()]) == [records[4].trial]
    assert frame["best"].sum() == 3
    assert frame.loc[frame["best"], "objective"].min() >= frame.loc[~frame["best"], "objective"].max()
    assert frame["chosen"].sum() == 1
    (ax,) = drawn(parallel_coordinates, info).axes
    others, best, chosen = (np.reshape(line.get_ydata(), (-1, 7)) for line in ax.lines)
    assert (len(others), len(best), len(chosen)) == (7, 3, 1)
    lines = np.concatenate([others, best])
    assert np.isnan(lines[:, 6]).all()
    assert lines[:, 1].min() == pytest.approx(style.ZERO)
    assert chosen[0, 5] == 1
    # The pruned trial's line ends before the axis of the objective.
    assert list(np.isnan(lines[:, :6]).sum(axis=0)) == [0, 0, 0, 0, 0, 1]
