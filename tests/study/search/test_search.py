"""The search by itself: no Ray."""

from pathlib import Path
from typing import Any

import pytest

from study.dimensions.quantiles import at
from study.dimensions.ranges import ZERO_PROBABILITY, FloatDimension, IntDimension
from study.plan.plan import Plan, load_plan
from study.search.optuna_search import Search, repair_journal
from study.trial import INTERRUPTED, Attempt, Outcome
from tests.support.studies import WriteStudy

ZERO = FloatDimension(type="float", low=1, high=100, log=True, zero=True)


@pytest.fixture
def plan(write_study: WriteStudy) -> Plan:
    return load_plan(write_study(conditions=[{"kind": "symmetric", "rate": 0.5}], budget__trials_per_condition=3))


def row(epoch: int, value: float, samples: int) -> dict[str, Any]:
    return {"epoch": epoch, "phase": "cotrain", "samples": samples, "val_acc": value}


def finish(search: Search, attempt: Attempt, value: float) -> Outcome:
    assert search.report(attempt, row(0, value, attempt.config.train.samples))
    outcome = attempt.outcome()
    search.tell(attempt, outcome)
    return outcome


def given_out(search: Search) -> list[Attempt]:
    return list(iter(search.ask, None))


def test_baselines_come_first_and_seeds_follow(plan: Plan, tmp_path: Path) -> None:
    attempts = given_out(Search(plan, tmp_path / "journal", {}))
    assert [attempt.baseline for attempt in attempts] == ["codim-sup", "", "", ""]
    assert [attempt.config.train.seed for attempt in attempts] == [0, 1, 2, 3]
    assert [attempt.trial for attempt in attempts] == [f"symmetric-0.5-000{i}" for i in range(4)]


def test_conditions_take_turns(write_study: WriteStudy, tmp_path: Path) -> None:
    attempts = given_out(Search(load_plan(write_study()), tmp_path / "journal", {}))
    assert [attempt.condition.id for attempt in attempts] == ["symmetric-0.5", "symmetric-0.8"] * 3


def test_the_objective_is_the_mean_of_the_last_five(plan: Plan, tmp_path: Path) -> None:
    search = Search(plan, tmp_path / "journal", {})
    attempt = search.ask()
    assert attempt
    for epoch in range(7):
        search.report(attempt, row(epoch, 0.1 * epoch, 1000 * (epoch + 1)))
    assert attempt.outcome().objective == pytest.approx(0.4)
    search.report(attempt, row(3, 0.0, 4000))  # an attempt that goes on from epoch 3
    assert attempt.objective == pytest.approx(0.075)


def test_pretraining_is_no_step(plan: Plan, tmp_path: Path) -> None:
    search = Search(plan, tmp_path / "journal", {})
    attempt = search.ask()
    assert attempt
    assert search.report(attempt, {**row(0, float("nan"), 1000), "phase": "pretrain"})
    assert (attempt.outcome().status, attempt.outcome().cause) == ("failed", "no epoch reported the objective")


def test_a_complete_baseline_inside_the_space_informs_the_search_once(plan: Plan, tmp_path: Path) -> None:
    search = Search(plan, tmp_path / "journal", {})
    baseline = search.ask()
    assert baseline
    finish(search, baseline, 0.7)
    for again in (search, Search(plan, tmp_path / "journal", {})):
        known = [t for t in again._searched["symmetric-0.5"].trials if t.user_attrs.get("baseline")]
        assert [(t.value, t.params) for t in known] == [(0.7, {"mixmatch/lambda_u": 25.0})]


@pytest.mark.parametrize("name", ["ce", "dividemix", "codim-self"])
def test_other_baselines_do_not(name: str, write_study: WriteStudy, tmp_path: Path) -> None:
    search = Search(load_plan(write_study(baselines={name: {"method": name}})), tmp_path / "journal", {})
    baseline = search.ask()
    assert baseline
    finish(search, baseline, 0.7)
    assert not search._searched["symmetric-0.5"].trials


def test_an_interrupted_trial_is_tried_again_with_its_parameters(plan: Plan, tmp_path: Path) -> None:
    attempts = given_out(Search(plan, tmp_path / "journal", {}))
    again = given_out(Search(plan, tmp_path / "journal", {}))
    assert sorted((a.trial, a.baseline, a.params, a.config) for a in attempts) == sorted(
        (a.trial, a.baseline, a.params, a.config) for a in again
    )
    third = Search(plan, tmp_path / "journal", {})
    causes = [t.user_attrs.get("cause") for t in third._searched["symmetric-0.5"].trials]
    assert causes == [INTERRUPTED.cause] * 6
    assert len(given_out(third)) == 4


def test_an_interrupted_attempt_does_not_compete_with_its_continuation(write_study: WriteStudy, tmp_path: Path) -> None:
    """Rung values .8, .5, .5, .75 and halving: .75 goes on, also when the first attempt is counted anew."""
    halving = {"kind": "successive_halving", "min_budget": 4000, "reduction_factor": 2}
    file = write_study(
        conditions=[{"kind": "symmetric", "rate": 0.5}], baselines={}, pruner=halving, budget__trials_per_condition=4
    )
    values = dict(zip([f"symmetric-0.5-000{i}" for i in range(4)], [0.8, 0.5, 0.5, 0.75], strict=True))

    def reach_the_rung(search: Search, attempt: Attempt) -> bool:
        return search.report(attempt, row(0, values[attempt.trial], 4500))

    first = Search(load_plan(file), tmp_path / "journal", {})
    attempt = first.ask()
    assert attempt
    assert reach_the_rung(first, attempt)  # and the driver is killed
    second = Search(load_plan(file), tmp_path / "journal", {})
    assert {a.trial: reach_the_rung(second, a) for a in given_out(second)} == {
        "symmetric-0.5-0000": True,
        "symmetric-0.5-0001": False,
        "symmetric-0.5-0002": False,
        "symmetric-0.5-0003": True,
    }


def test_what_the_records_know_is_not_run_again(plan: Plan, tmp_path: Path) -> None:
    attempts = given_out(Search(plan, tmp_path / "journal", {}))
    known = {attempts[1].trial: Outcome("complete", "", 0.5), attempts[2].trial: Outcome("failed", "nan")}
    again = given_out(Search(plan, tmp_path / "journal", known))
    assert {attempt.trial for attempt in again} == {attempts[0].trial, attempts[3].trial}


def test_half_a_last_line_is_dropped(plan: Plan, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    given_out(Search(plan, journal, {}))
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    journal.with_name("journal.lock").touch()
    repair_journal(journal)
    assert journal.read_bytes() == whole
    assert len(given_out(Search(plan, journal, {}))) == 4


def test_a_restarted_random_search_draws_other_points(write_study: WriteStudy, tmp_path: Path) -> None:
    values = []
    for trials in (3, 6):
        plan = load_plan(write_study(baselines={}, sampler={"kind": "random"}, budget__trials_per_condition=trials))
        search = Search(plan, tmp_path / "journal", {})
        for attempt in given_out(search):
            finish(search, attempt, 0.5)
            values.append(attempt.params["mixmatch/lambda_u"])
    assert len(set(values)) == len(values) == 12


def test_the_zero_branch() -> None:
    prior = ZERO.distribution()
    drawn = [ZERO.decode(at(prior, (i + 0.5) / 1000)) for i in range(1000)]
    assert drawn.count(0.0) == round(1000 * ZERO_PROBABILITY)
    assert all(value == 0 or 1 <= float(value) <= 100 for value in drawn)
    assert [ZERO.decode(ZERO.encode(value)) for value in (0, 1, 7.5, 100)] == [0, 1, 7.5, 100]


def test_whole_numbers_are_drawn_evenly() -> None:
    prior = IntDimension(type="int", low=1, high=4).distribution()
    assert [at(prior, u) for u in (0, 0.24, 0.26, 0.6, 0.99)] == [1, 1, 2, 3, 4]
