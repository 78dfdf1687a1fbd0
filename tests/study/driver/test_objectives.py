"""Accuracy against seconds, and bounds that the best trial must keep."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.monitor.recorder import Recorder
from study.plan.plan import Plan, load_plan
from study.results.folder import ResultsFolder
from study.results.verdicts import pareto_front
from study.search.optuna_search import Search
from study.trial import INTERRUPTED
from study.worker.job import Job
from study.worker.trainable import Row
from tests.support import simulated
from tests.support.drive import drive
from tests.support.studies import WriteStudy

ONE = {"conditions": [{"kind": "symmetric", "rate": 0.5}]}
BETWEEN = {"max": 1.0, "min": 0.2}


def costly(job: Job) -> Iterator[Row]:
    """A larger lambda_u takes longer: an hundredth of it in seconds an epoch."""
    for row in simulated.curve(job):
        yield row | {"seconds": job.config["mixmatch"]["lambda_u"] / 100, "labelled_fraction": row["epoch"] / 10}


def trials_of(journal: Path) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.load_study(study_name="symmetric-0.5", storage=storage).trials


@pytest.fixture
def two(write_study: WriteStudy) -> Plan:
    return load_plan(write_study(**ONE, objective={"cost": "seconds"}, budget__trials_per_condition=24))


def test_two_objectives_reach_optuna_and_the_tables(two: Plan, tmp_path: Path) -> None:
    ended = drive(two, tmp_path / "journal", costly)
    for attempt, outcome in ended:
        assert outcome.seconds == pytest.approx(8 * attempt.config.mixmatch.lambda_u / 100)
    trials = trials_of(tmp_path / "journal")  # 24, and the baseline that is a point of the space
    assert sorted(t.values for t in trials) == sorted([o.objective, o.seconds] for _, o in ended)
    assert all(trial.state.name == "COMPLETE" for trial in trials)

    folder = ResultsFolder(tmp_path / "results")
    recorder = Recorder(two, folder)
    for attempt, outcome in ended:
        recorder.start(attempt)
        for row in costly(Job(attempt.trial, attempt.config.model_dump(mode="json"), "", "", 1, 0)):
            recorder.epoch(attempt, row)
        recorder.finish(attempt, outcome)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    known = optuna.load_study(study_name="symmetric-0.5", storage=storage).best_trials
    front = pareto_front(folder.read_trials())["symmetric-0.5"]
    assert 1 < len(front) < 25
    assert {(r.objective, round(r.seconds, 9)) for r in front} == {(t.values[0], round(t.values[1], 9)) for t in known}


@pytest.mark.parametrize("kind", ["tpe", "gp", "random", "qmc"])
def test_every_sampler_of_two_objectives(kind: str, write_study: WriteStudy, tmp_path: Path) -> None:
    """Bounds too, of which one is never measured."""
    plan = load_plan(
        write_study(
            **ONE,
            objective={"cost": "seconds"},
            constraints={"seconds": BETWEEN, "separation": {"min": 1}},
            sampler={"kind": kind, "startup": 5},
            budget__trials_per_condition=8,
        )
    )
    ended = drive(plan, tmp_path / "journal", costly)
    assert {outcome.status for _, outcome in ended} == {"complete"}
    assert {outcome.constraints["separation"] for _, outcome in ended} == {math.inf}


def test_an_interrupted_search_of_two_objectives_goes_on(two: Plan, tmp_path: Path) -> None:
    first = Search(two, tmp_path / "journal", {})
    lost = [first.ask() for _ in range(3)]
    ended = drive(two, tmp_path / "journal", costly)
    assert {attempt.trial for attempt, _ in ended[:3]} == {attempt.trial for attempt in lost if attempt}
    causes = [trial.user_attrs.get("cause") for trial in trials_of(tmp_path / "journal")]
    assert causes.count(INTERRUPTED.cause) == 2  # the third is a baseline


@pytest.mark.parametrize("kind", ["tpe", "joint"])
def test_bounds_by_value(kind: str, write_study: WriteStudy, tmp_path: Path) -> None:
    """Epochs 3 to 7 have labelled fractions .3 to .7."""
    limits = {"seconds": BETWEEN, "labelled_fraction": {"min": 0.4}}
    sampler = {"kind": kind, "startup": 10}
    plan = load_plan(
        write_study(**ONE, baselines={}, constraints=limits, sampler=sampler, budget__trials_per_condition=40)
    )
    ended = drive(plan, tmp_path / "journal", costly)
    for attempt, outcome in ended:
        seconds = 8 * attempt.config.mixmatch.lambda_u / 100
        expected = {"seconds": max(seconds - 1.0, 0.2 - seconds), "labelled_fraction": 0.4 - 0.5}
        assert outcome.constraints == pytest.approx(expected)
    assert {trial.number: trial.constraints for trial in trials_of(tmp_path / "journal")} == {
        number: outcome.constraints for number, (_, outcome) in enumerate(ended)
    }
    # Over a third of the log range keeps the bounds; the search stays there more than half of the time.
    assert sum(outcome.constraints["seconds"] <= 0 for _, outcome in ended[20:]) > 10


def test_what_breaks_a_bound_is_never_the_best(write_study: WriteStudy, tmp_path: Path) -> None:
    from analysis.frames.load import load_trials
    from analysis.tables.selection import chosen

    plan = load_plan(write_study(**ONE, baselines={}, constraints={"seconds": {"max": 0.5}}))
    folder, search = ResultsFolder(tmp_path / "results"), Search(plan, tmp_path / "journal", {})
    recorder = Recorder(plan, folder)
    for seconds, value in ((0.4, 0.6), (0.6, 0.9)):
        attempt = search.ask()
        assert attempt
        recorder.start(attempt)
        row: dict[str, Any] = {"epoch": 0, "phase": "cotrain", "samples": 8000, "seconds": seconds, "val_acc": value}
        row |= {"oracle_test_acc": value, "split_state": "ok"}
        recorder.epoch(attempt, row)
        search.report(attempt, row)
        recorder.finish(attempt, attempt.outcome())
        search.tell(attempt, attempt.outcome())
    recorder.flush(now=True)
    assert [record.can_be_best for record in folder.read_trials()] == [True, False]
    assert list(chosen(load_trials(folder.root))["objective"]) == [0.6]


def test_a_killed_driver_leaves_the_records_of_ended_trials(write_study: WriteStudy, tmp_path: Path) -> None:
    """The table of trials is written now and then; what ended since is known all the same."""
    plan = load_plan(write_study(constraints={"seconds": {"max": 0.5}}))
    folder, search = ResultsFolder(tmp_path / "results"), Search(plan, tmp_path / "journal", {})
    recorder = Recorder(plan, folder)
    attempts = [attempt for attempt in (search.ask(), search.ask()) if attempt]
    for attempt in attempts:
        recorder.start(attempt)
    recorder.flush(now=True)
    row = {"epoch": 0, "phase": "cotrain", "samples": 8000, "seconds": 0.6, "val_acc": 0.7, "oracle_test_acc": 0.6}
    recorder.epoch(attempts[0], row | {"split_state": "ok"})
    search.report(attempts[0], row)
    outcome = attempts[0].outcome()
    recorder.finish(attempts[0], outcome)
    again = Recorder(plan, folder)
    assert again.finished() == {attempts[0].trial: outcome}
    known, written = again.records[attempts[0].trial], recorder.records[attempts[0].trial]
    assert math.isnan(known.value)  # the search has not ended
    assert repr(known) == repr(written)  # NaN differs from itself
    assert again.records[attempts[1].trial].status == "running"
    recorder.flush(now=True)
    assert Recorder(plan, folder).finished() == again.finished()
