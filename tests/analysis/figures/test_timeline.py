"""The timeline of trials: lanes and bars by value, and against Optuna's own timeline."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.visualization import _timeline

from analysis.figures import timeline
from study.results.records import TrialRecord
from tests.support.drawing import drawn
from tests.support.searches import START, STATES, WHERE, optuna_study
from tests.support.synthetic import NAN, read, record


def spans(hours: Sequence[tuple[float, float]], **changes: Any) -> list[TrialRecord]:
    return [
        record(WHERE, i, 0.9, started=START + timedelta(hours=a), ended=START + timedelta(hours=b), epochs=0, **changes)
        for i, (a, b) in enumerate(hours)
    ]


def test_timeline_puts_a_trial_where_there_is_room(tmp_path: Path) -> None:
    info = timeline.compute(read(tmp_path, spans([(0, 2), (0, 1), (1, 4), (3, 4)])))
    assert list(info.frame["lane"]) == [0, 1, 1, 0]
    hours = info.under_way["trials"].to_numpy().reshape(4, -1)
    assert hours.mean(axis=1) == pytest.approx([2, 2, 1, 2])
    assert np.ptp(hours, axis=1) == pytest.approx([0] * 4, abs=1e-9)
    # Of 2 x 4 hours, the first lane is idle from 2 to 3.
    assert info.idle == pytest.approx(1 / 8)
    assert "12%" in timeline.caption(info) or "13%" in timeline.caption(info)


def test_timeline_needs_no_more_lanes_than_trials_at_a_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hours = [(start, start + rng.exponential(2)) for start in rng.uniform(0, 50, 200)]
    frame = timeline.compute(read(tmp_path, spans(hours))).frame
    at_a_time = max(((frame["start"] <= t) & (t < frame["end"])).sum() for t in frame["start"])
    assert frame["lane"].max() + 1 == at_a_time
    for _, lane in frame.groupby("lane"):
        assert (lane["start"].to_numpy()[1:] >= lane["end"].to_numpy()[:-1]).all()


def test_timeline_has_the_bars_of_optuna(tmp_path: Path) -> None:
    records = spans([(0, 2), (0.5, 1), (1, 4), (3, 3.2)])
    records[1], records[3] = replace(records[1], status="pruned"), replace(records[3], status="failed", objective=NAN)
    frame = timeline.compute(read(tmp_path, records)).frame
    bars = _timeline._get_timeline_info(optuna_study(records)).bars
    naive = START.replace(tzinfo=None)
    assert list(frame["start"]) == pytest.approx([(bar.start - naive).total_seconds() / 3600 for bar in bars])
    assert list(frame["end"]) == pytest.approx([(bar.complete - naive).total_seconds() / 3600 for bar in bars])
    assert [STATES[status] for status in frame["status"]] == [bar.state for bar in bars]


def test_timeline_lets_running_trials_reach_the_last_known_time(tmp_path: Path) -> None:
    running = record(WHERE, 9, 0.9, started=START + timedelta(hours=1), ended=None, status="running", seconds=7200.0)
    never = record(WHERE, 10, 0.9, started=None, ended=None, status="running")
    info = timeline.compute(read(tmp_path, [*spans([(0, 2)]), running, never]))
    assert list(info.frame["end"]) == pytest.approx([2, 3])
    assert info.left_out == 1
    assert "1 never started" in timeline.caption(info)


def test_timeline_of_failures_alone_marks_each(tmp_path: Path) -> None:
    info = timeline.compute(read(tmp_path, spans([(0, 0), (0, 0.1), (1, 2)], status="failed", objective=NAN)))
    below = drawn(timeline, info).axes[1]
    assert list(below.lines[0].get_xdata()) == pytest.approx([0, 0.1 * 60, 120])
    assert set(info.frame["status"]) == {"failed"}


def test_timeline_of_one_trial_that_failed_at_once(tmp_path: Path) -> None:
    info = timeline.compute(read(tmp_path, spans([(0, 0)], status="failed", seconds=0.0, objective=NAN)))
    drawn(timeline, info)
    assert (info.idle, info.under_way["trials"].sum()) == (0, 0)
