"""What is said while a study runs, and at its end."""

import re
from collections import Counter
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codim.runtime import announce
from codim.runtime.announce import announced
from codim.runtime.progress_bar import clock
from study.monitor import summary as closing
from study.monitor.console import Progress
from study.plan.plan import load_plan
from study.preflight.forecast import Forecast, remaining
from study.ray_cluster import nodes
from study.ray_cluster.nodes import Node, Watch
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from tests.support.studies import WriteStudy

CONDITION = "symmetric-0.5"


def record(number: int, samples: int, status: str = "running", **facts: Any) -> TrialRecord:
    """Half of whose budget of 1000 samples lies in a shared stage."""
    known = {"trial": f"{CONDITION}-{number:04d}", "condition": CONDITION, "noise_kind": "symmetric", "noise_rate": 0.5}
    own = {"cause": "", "baseline": "", "params": {}, "config": {}, "seed": number, "budget": 1000, "status": status}
    return TrialRecord(**(known | own | {"samples": samples, "shared_samples": 500} | facts))


def test_a_step_that_takes_long_is_told_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "LINE_SECONDS", 0.01)
    said, enough = [], Event()

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            enough.set()

    with announced(say, "reading", lambda: ", 2 of 3"):
        assert said[0] == "reading ..."
        assert enough.wait(60)
    assert set(said[1:]) == {"reading: 0 s so far, 2 of 3"}
    count = len(said)
    assert not Event().wait(0.05)
    assert len(said) == count


@given(st.floats(0, 1e7))
def test_durations_have_units_and_order(seconds: float) -> None:
    units = {"h": 3600, "min": 60, "s": 1}
    parts = re.findall(r"(\d+) (h|min|s)", clock(seconds))
    read = sum(int(number) * units[unit] for number, unit in parts)
    assert read <= round(seconds) < read + (60 if "h" in dict(map(reversed, parts)) else 1)


@given(st.integers(1, 20), st.integers(0, 500))
def test_the_time_left_counts_what_trials_draw_themselves(ended: int, drawn: int) -> None:
    """A trial has the samples of its shared stages from its first second on: they must not look like speed."""
    plan = SimpleNamespace(trials=30, confirmations=0, conditions=())
    progress = Progress(plan)  # type: ignore[arg-type]
    progress.show([])
    records = [record(i, 1000, "complete") for i in range(ended)] + [record(99, 500 + drawn)]
    seconds = (500 * ended + drawn) / 10  # ten samples a second
    left = progress.seconds_left(records, seconds)
    assert left == pytest.approx((30 * 500 - 500 * ended - drawn) / 10)


def test_the_time_left_knows_what_confirmations_draw() -> None:
    """Here twice what a searched trial draws itself: their noise is their own, and so is their warm-up."""
    plan = SimpleNamespace(trials=4, confirmations=6, conditions=())
    progress = Progress(plan)  # type: ignore[arg-type]
    progress.show([])
    searched = [record(i, 1000, "complete") for i in range(4)]
    confirmed = [record(10 + i, 1000, "complete", phase="confirm", shared_samples=0) for i in range(2)]
    left = progress.seconds_left(searched + confirmed, (4 * 500 + 2 * 1000) / 10)
    assert left == pytest.approx(4 * 1000 / 10)


def test_trials_that_wait_are_named(write_study: WriteStudy) -> None:
    progress = Progress(load_plan(write_study()))
    records = [record(i, 500) for i in range(12)]
    assert "(0 pruned, 0 failed, 12 running)" in progress.line(records)
    line = progress.line(records, {records[3].trial, records[1].trial})
    assert f"10 running, 2 waiting for room: {CONDITION}-0001, {CONDITION}-0003)" in line
    assert progress.line(records, {r.trial for r in records}).count(CONDITION + "-") == 8


def test_nodes_that_leave_and_join_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (Node(name, f"10.0.0.{name}", 2, 0, 1.0) for name in "123")
    alive, said = [first, second], []
    monkeypatch.setattr(nodes, "nodes", lambda: alive)
    monkeypatch.setattr(nodes, "WATCH_SECONDS", 0)
    watch = Watch(said.append)
    watch.look()
    assert not said
    alive = [first, third]
    watch.look()
    watch.look()
    assert said == [
        "node 10.0.0.2 is lost (2 CPUs, 0 GPUs); its trials resume on other nodes as they have room",
        "node 10.0.0.3 has joined: 2 CPUs, 0 GPUs",
    ]


def test_the_end_names_the_best_and_the_next_command(
    write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan, folder = load_plan(write_study()), ResultsFolder(tmp_path_factory.mktemp("my results") / "tiny")
    done = {"status": "complete", "samples": 1000}
    folder.write_trials(
        [
            record(0, **done, objective=0.6, baseline="codim-sup"),
            record(1, **done, objective=0.7, params={"mixmatch/lambda_u": 12.3456}),
            record(2, **done, objective=0.9, constraints={"seconds": 1.0}),
            record(3, **done, objective=0.65),
        ]
    )
    lines = closing.closing(plan, folder)
    assert lines[0] == (
        f"{CONDITION}: best setting {CONDITION}-0001 0.7000 (mixmatch/lambda_u 12.35), best baseline codim-sup 0.6000 "
        "(val_acc)"
    )
    assert lines[1] == "symmetric-0.8: no trial is complete (val_acc)"
    assert lines[-1].startswith(f"next: python -m analysis '{folder.at()}'")


def test_the_forecast_of_a_study_that_goes_on(write_study: WriteStudy) -> None:
    whole = Forecast(4, 2.0, 1, 2000, price_per_hour=0, disk_bytes=1, expected_hours=2.0, expected_samples=2000)
    pruned = [record(0, 600, "pruned"), record(1, 1000, "complete"), record(2, 750)]
    assert Counter(r.status for r in pruned)["running"] == 1
    told = remaining(load_plan(write_study()), whole, pruned)
    assert told == "2 trials have already ended: at most 45 min 00 s left"
