"""Each pruner by its name stops exactly the trials that plain Optuna stops, interrupted attempts or not."""

from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest

from study.plan.plan import Plan, load_plan
from study.plan.rungs import rungs
from study.search.optuna_search import Search
from study.search.pruners import drawn_share
from study.spec.sections import Pruner
from study.trial import Attempt
from tests.support.studies import WriteStudy

BUDGET, STAGES, FIRST, FACTOR, TRIALS = 40_000, 2624, 4000, 2, 30
"""STAGES: 1,347 images in 6 batches of 256 for pre-training, 1,078 in 17 of 64 for the warm-up."""
PLAIN = {
    "successive_halving": lambda: optuna.pruners.SuccessiveHalvingPruner(FIRST - STAGES, FACTOR),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(FIRST - STAGES, BUDGET - STAGES, FACTOR),
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=FIRST - STAGES),
    "none": optuna.pruners.NopPruner,
}


@pytest.fixture
def plan(write_study: WriteStudy, request: pytest.FixtureRequest) -> Plan:
    pruner = {"kind": request.param, "min_budget": FIRST, "reduction_factor": FACTOR}
    return load_plan(
        write_study(
            conditions=[{"kind": "symmetric", "rate": 0.5}],
            baselines={},
            sampler={"kind": "random"},
            pruner=pruner,
            fixed__train__samples=BUDGET,
            budget__trials_per_condition=TRIALS,
        )
    )


def row(epoch: int, value: float) -> dict[str, Any]:
    return {"epoch": epoch, "phase": "cotrain", "samples": 2000 * (epoch + 1), "seconds": 1.0, "val_acc": value}


def curve(trial: str) -> list[float]:
    """Twenty epochs that rise, with noise, towards a value of the trial's own."""
    random = Random(trial)
    top = random.random()
    return [top * (1 - 0.8 ** (epoch + 1)) + random.gauss(0, 0.05) for epoch in range(20)]


def run(search: Search, attempt: Attempt, plain: optuna.Trial | None) -> int:
    """How many epochs the trial gets; `plain` hears the same, and must say the same."""
    for epoch, value in enumerate(curve(attempt.trial)):
        go_on, step = search.report(attempt, row(epoch, value)), attempt.step
        if plain and step >= 0:
            plain.report(attempt.objective, step)
            over = 2000 * (epoch + 1) >= BUDGET
            assert go_on == (over or not plain.should_prune()), f"{attempt.trial}, epoch {epoch}"
        if not go_on:
            break
    search.tell(attempt, attempt.outcome())
    return epoch + 1


@pytest.mark.parametrize("plan", PLAIN, indirect=True)
def test_stops_those_that_plain_optuna_stops(plan: Plan, tmp_path: Path) -> None:
    kind = plan.spec.pruner.kind
    # Hyperband deals trials to brackets by the study's name and their number.
    plain = optuna.create_study(study_name="symmetric-0.5", direction="maximize", pruner=PLAIN[kind]())
    search, lengths = Search(plan, tmp_path / "journal", {}), []
    for attempt in iter(search.ask, None):
        oracle = plain.ask()
        lengths.append(run(search, attempt, oracle))
        pruned = optuna.trial.TrialState.PRUNED if attempt.pruned_after else optuna.trial.TrialState.COMPLETE
        plain.tell(oracle, None if attempt.pruned_after else attempt.objective, state=pruned)
    assert len(lengths) == TRIALS
    assert max(lengths) == 20
    assert min(lengths) == (20 if kind == "none" else 2), "the first rung lies after two epochs"


@pytest.mark.parametrize("plan", PLAIN, indirect=True)
def test_interrupted_attempts_do_not_compete(plan: Plan, tmp_path: Path) -> None:
    """Ten attempts shine and are lost; those that go on are all alike, so that none is behind another."""
    first = Search(plan, tmp_path / "journal", {})
    for _ in range(10):
        attempt = first.ask()
        assert attempt
        for epoch in range(0, 18, 2):
            first.report(attempt, row(epoch, 0.9), replayed=True)
    second = Search(plan, tmp_path / "journal", {})
    for _ in range(10):
        attempt = second.ask()
        assert attempt
        assert all(second.report(attempt, row(epoch, 0.5)) for epoch in range(1, 20, 2))
        second.tell(attempt, attempt.outcome())


def test_rungs_lie_where_the_pruners_look() -> None:
    halving = Pruner(kind="successive_halving", min_budget=4000, reduction_factor=3)
    assert rungs(halving, 40_000, 0) == [4000, 12_000, 36_000]
    assert rungs(halving, 36_000, 0) == [4000, 12_000]
    assert rungs(halving, 40_000, 3000) == [4000, 6000, 12_000, 30_000]
    assert rungs(halving.model_copy(update={"kind": "median"}), 40_000, 3000) == [4000]
    assert rungs(halving.model_copy(update={"kind": "none"}), 40_000, 3000) == []


@pytest.mark.parametrize("kind", ["successive_halving", "median"])
def test_stages_are_not_counted(kind: str, write_study: WriteStudy, tmp_path: Path) -> None:
    """Nor is a trial stopped in the epoch before the first rung, or later than in the one that reaches it."""
    pruner = {"kind": kind, "min_budget": FIRST, "reduction_factor": FACTOR}
    changes = {"baselines": {}, "pruner": pruner, "budget__trials_per_condition": 5}
    plan = load_plan(write_study(**changes, conditions=[{"kind": "symmetric", "rate": 0.5}]))
    search = Search(plan, tmp_path / "journal", {})

    def report(attempt: Attempt, samples: int, value: float) -> bool:
        return search.report(attempt, {**row(samples, value), "samples": samples})

    ends = (STAGES, FIRST - 1, FIRST, STAGES + FACTOR * (FIRST - STAGES))
    for _ in range(4):
        attempt = search.ask()
        assert attempt
        assert all(report(attempt, samples, 0.8) for samples in ends)
        search.tell(attempt, attempt.outcome())
    attempt = search.ask()
    assert attempt
    assert [report(attempt, samples, 0.1) for samples in ends[:3]] == [True, True, False]
    assert attempt.outcome().cause == f"below its rivals after {FIRST} samples"


SHARES = {"successive_halving": (0.45, 0.6), "hyperband": (0.6, 0.9), "median": (0.45, 0.85), "none": (1, 1)}
"""Between which shares of the samples past the stages 12 trials draw, for rungs at a quarter and a half."""


@pytest.mark.parametrize("kind", SHARES)
def test_what_a_pruner_is_expected_to_leave(kind: str) -> None:
    own = Pruner.model_validate({"kind": kind, "min_budget": 20_000, "reduction_factor": 2})
    share = drawn_share(own, 50_000, 10_000, 12)
    least, most = SHARES[kind]
    assert least <= share <= most
    assert drawn_share(own, 50_000, 10_000, 12) == share, "the same forecast each time"
    assert drawn_share(own, 50_000, 10_000, 1) == 1, "nobody to be worse than"
    assert drawn_share(own, 50_000, 10_000, 40) <= share + 0.02
    assert drawn_share(own, 50_000, 10_000, 0) == 1
