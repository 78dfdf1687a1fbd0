"""Best values along the noise: bars only where there are trials for one, beside the length that chance gives."""

import math
from pathlib import Path

import numpy as np
import pytest

from analysis.figures import best_values
from analysis.frames.load import load_trials
from analysis.frames.settings import Setting
from study.dimensions.base import Axis
from tests.support import synthetic
from tests.support.drawing import drawn
from tests.support.synthetic import record

SETTING = Setting("contrastive/temperature", Axis(0.05, 1.0, log=True))


def best_of(path: Path, temperatures: list[float]) -> best_values.Info:
    """Trials of one condition, the best first."""
    found = [record("symmetric-0.5", i, 0.9 - 0.01 * i, params={SETTING.path: x}) for i, x in enumerate(temperatures)]
    return best_values.compute(load_trials(synthetic.write(path, found)))


def row_of(info: best_values.Info) -> dict[str, float]:
    (row,) = info.frame[info.frame["setting"] == SETTING.path].to_dict("records")
    return row


def test_a_bar_stands_beside_what_chance_gives(tmp_path: Path) -> None:
    row = row_of(best_of(tmp_path / "three", [0.2, 0.1, 0.4, 0.9]))
    assert (row["best"], row["low"], row["high"], row["top"]) == (0.2, 0.1, 0.4, 3)
    assert row["chance"] == 2 / 4
    row = row_of(best_of(tmp_path / "five", [0.2, 0.1, 0.4, 0.3, 0.5, *([0.9] * 20)]))
    assert (row["low"], row["high"], row["top"]) == (0.1, 0.5, 5)
    uniform = np.random.default_rng(0).random((20_000, 5))
    assert row["chance"] == pytest.approx(np.ptp(uniform, axis=1).mean(), abs=0.01)


@pytest.mark.parametrize("temperatures", [[0.2], [0.2, 0.3]])
def test_one_or_two_trials_have_a_hollow_point_and_no_bar(tmp_path: Path, temperatures: list[float]) -> None:
    info = best_of(tmp_path, temperatures)
    row = row_of(info)
    assert (row["best"], row["top"]) == (0.2, len(temperatures))
    assert all(math.isnan(row[column]) for column in ("low", "high", "chance"))
    assert "Hollow: fewer than 3 trials" in best_values.caption(info)
    assert f"symmetric-0.5: {len(temperatures)}." in best_values.caption(info)
    ax = drawn(best_values, info).axes[0]
    assert [list(line.get_ydata()) for line in ax.lines if line.get_markerfacecolor() == "white"] == [[0.2]]
    assert not any(bars.get_segments() for bars in ax.collections)


def test_a_setting_that_the_top_trials_lack_has_no_bar(tmp_path: Path) -> None:
    info = best_of(tmp_path, [0.2, 0.1, 0.4, 0.9])
    (row,) = info.frame[info.frame["setting"] == "divide/p_threshold"].to_dict("records")
    assert row["top"] == 0
    assert math.isnan(row["low"])
    drawn(best_values, info)


def test_the_grey_has_the_length_by_chance_and_stays_on_the_axis(tmp_path: Path) -> None:
    for name, temperatures, start in (("middle", [0.2, 0.25, 0.224], None), ("edge", [0.05, 0.055, 0.06], 0.0)):
        ax = drawn(best_values, best_of(tmp_path / name, temperatures)).axes[0]
        grey, bar = (np.sort(bars.get_segments()[0][:, 1]) for bars in ax.collections)
        ends = np.log(grey / SETTING.axis.low) / np.log(SETTING.axis.high / SETTING.axis.low)
        assert ends[1] - ends[0] == pytest.approx(0.5)
        assert ends.min() >= -1e-9
        assert grey[0] <= bar[0] + 1e-9
        assert bar[1] < grey[1]
        if start is not None:
            assert ends[0] == pytest.approx(start, abs=1e-9)
