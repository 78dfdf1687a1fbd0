"""Which settings are confirmed: by value, and without a look at what only an observer knows."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codim.noise.asymmetric import AsymmetricNoise
from codim.noise.kinds import NOISE_ADAPTER
from codim.noise.transition import confusable_slope, symmetric_slope, transition_matrix
from study.confirm.choice import MIN_KNOWN, choose, minimax, robust_setting, trial_values
from study.confirm.confirm import FRESH_SEEDS, wanted
from study.plan.plan import Plan, load_plan
from study.plan.shared_stages import warm_up
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from tests.support.found import search, searched
from tests.support.studies import WriteStudy

RATES = (0.2, 0.8)


@pytest.fixture
def plan(write_study: WriteStudy) -> Plan:
    conditions = [{"kind": "symmetric", "rate": rate} for rate in RATES]
    return load_plan(write_study(conditions=conditions, confirm={"top_k": 2, "seeds": 3}))


@pytest.fixture
def records(plan: Plan) -> list[TrialRecord]:
    return search(plan)


def test_minimax_regret_by_hand() -> None:
    """Regrets: (0, .2), (.05, .1), (.125, 0)."""
    assert minimax(np.array([[1.0, 1.5], [0.95, 1.6], [0.875, 1.7]])) == 1


@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_the_slope_of_nominal_noise_is_that_of_its_transition_matrix(rate: float) -> None:
    def slope(**noise: Any) -> float:
        return NOISE_ADAPTER.validate_python(noise).slope(100 if "superclass" in noise.get("map", "") else 10)

    assert slope(kind="symmetric", rate=rate) == pytest.approx(symmetric_slope(rate * 0.9, 10))
    assert slope(kind="symmetric", rate=rate, include_true=False) == pytest.approx(symmetric_slope(rate, 10))
    for name in ("digits", "cifar10", "superclass-next"):  # classes that stay clean do not count
        assert slope(kind="asymmetric", rate=rate, map=name) == pytest.approx(1 - 2 * rate)
    assert slope(kind="asymmetric", rate=rate, map="superclass-uniform") == pytest.approx(1 - rate - rate / 4)
    assert slope(kind="asymmetric", rate=0, map="digits") == 1
    draw = AsymmetricNoise(rate=rate, map="digits")
    true = np.arange(10).repeat(20_000)
    realised = transition_matrix(true, draw.apply(true, 10, np.empty((0, 1, 1, 1), np.uint8)), 10)
    assert confusable_slope(realised) == pytest.approx(1 - 2 * rate, abs=0.01)
    assert slope(kind="pairflip", rate=rate) == pytest.approx(1 - 2 * rate)
    assert slope(kind="none") == 1


def test_the_robust_setting_lies_between_the_optima(plan: Plan, records: list[TrialRecord]) -> None:
    """Regret is equal at sqrt(3 * 50) = 12.2; the trials stand a factor of 1.67 apart."""
    robust = robust_setting(plan, records)
    assert robust
    assert 12.2 / 1.67 < float(robust.params["mixmatch/lambda_u"]) < 12.2 * 1.67
    assert not robust.baseline


def test_a_condition_that_cannot_rank_does_not_count(write_study: WriteStudy) -> None:
    conditions = [{"kind": "symmetric", "rate": rate} for rate in (0.2, 0.8, 0.97)]
    plan = load_plan(write_study(conditions=conditions, confirm={"top_k": 2, "seeds": 3}))
    records = search(plan)
    expected = robust_setting(plan, records)
    assert expected
    flat = [replace(r, objective=1 - r.objective) if r.condition == "symmetric-0.97" else r for r in records]
    found = robust_setting(plan, flat)
    assert found
    assert found.trial == expected.trial
    only = load_plan(write_study(conditions=[{"kind": "symmetric", "rate": rate} for rate in (0.96, 0.97)]))
    assert robust_setting(only, search(only)) is None


def test_without_enough_to_go_by_there_is_no_robust_setting(plan: Plan, records: list[TrialRecord]) -> None:
    few = [r for r in records if r.condition == "symmetric-0.2" or int(r.trial[-4:]) < MIN_KNOWN]
    assert robust_setting(plan, few) is None
    enough = [r for r in records if r.condition == "symmetric-0.2" or int(r.trial[-4:]) <= MIN_KNOWN]
    assert robust_setting(plan, enough)
    assert robust_setting(replace(plan, conditions=plan.conditions[:1]), records) is None


def test_what_pruning_found_bad_is_not_predicted_to_be_good(plan: Plan, records: list[TrialRecord]) -> None:
    """At rate .8 all below 20 were pruned; without them the forest would know only good values there."""
    for record in records:
        if record.condition == "symmetric-0.8" and float(record.params["mixmatch/lambda_u"]) < 20:
            record.status, record.objective = "pruned", 0.01
    robust = robust_setting(plan, records)
    assert robust
    assert float(robust.params["mixmatch/lambda_u"]) > 10


@pytest.mark.parametrize(("method", "counts"), [("codim-sup", True), ("codim-self", False), ("ce", False)])
def test_only_a_baseline_inside_the_space_counts(method: str, counts: bool, write_study: WriteStudy) -> None:
    plan = load_plan(write_study(baselines={"own": {"method": method}}))
    records = [replace(r, baseline="own") if r.baseline else r for r in search(plan)]
    worse = [replace(r, objective=0.05) if r.baseline else r for r in records]
    assert (trial_values(plan, worse) != trial_values(plan, records)) == counts


def test_the_best_of_each_condition_its_baselines_and_the_robust_one(plan: Plan, records: list[TrialRecord]) -> None:
    twin = searched(plan, 11, 0, float(records[3].params["mixmatch/lambda_u"]))
    lucky = searched(plan, 12, 0, 2.0, status="pruned", objective=0.99)
    broken = searched(plan, 0, 1, 25.0, baseline="codim-sup", status="failed")
    records = [*(r for r in records if r.trial != broken.trial), broken, twin, lucky]
    chosen = [(source.trial, condition) for source, condition in choose(plan, records)]
    robust = robust_setting(plan, records)
    assert robust
    assert chosen[0] == ("symmetric-0.2-0000", "symmetric-0.2")
    # The model knows of a chance of some points, and may take either neighbour of the best; it may not take the twin
    # 0011 of 0003, or 0012, which was stopped early.
    near = {(f"symmetric-0.2-{n:04d}", "symmetric-0.2") for n in (2, 3, 4)}
    assert ("symmetric-0.2-0003", "symmetric-0.2") in chosen[1:3]
    assert set(chosen[1:3]) < near
    assert [condition for _, condition in chosen[3:5]] == ["symmetric-0.8"] * 2
    assert set(chosen[5:]) == {(robust.trial, "symmetric-0.2"), (robust.trial, "symmetric-0.8")} - set(chosen[:5])
    assert len(set(chosen)) == len(chosen)


def test_values_rank_as_the_choice_does(plan: Plan, records: list[TrialRecord], tmp_path: Path) -> None:
    pruned = searched(plan, 12, 0, 2.0, status="pruned", objective=0.1)
    broken = searched(plan, 13, 0, 2.0, status="failed")
    values = trial_values(plan, [*records, pruned, broken])
    assert set(values) == {r.trial for r in [*records, pruned] if not r.baseline}
    for condition in plan.conditions:
        tried = [r for r in records if r.condition == condition.id and not r.baseline]
        first = next(c for c in choose(plan, records) if c.condition == condition.id and not c.source.baseline)
        assert max(tried, key=lambda record: values[record.trial]).trial == first.source.trial
    valued = [replace(record, value=values.get(record.trial, math.nan)) for record in records]
    assert {r.trial: r.value for r in stored(valued, tmp_path) if not r.baseline} == {
        r.trial: r.value for r in valued if not r.baseline
    }


def test_where_nothing_can_rank_there_are_no_values(write_study: WriteStudy) -> None:
    flat = load_plan(write_study(conditions=[{"kind": "symmetric", "rate": rate} for rate in (0.96, 0.97)]))
    assert trial_values(flat, search(flat)) == {}


def scrambled(records: list[TrialRecord]) -> list[TrialRecord]:
    rng = np.random.default_rng(0)
    return [
        replace(
            record,
            oracle_test_acc=float(rng.random()),
            oracle_test_acc_best=float(rng.random()),
            oracle_noise_rate=float(rng.random()),
            oracle_transition=rng.random((10, 10)).tolist(),
        )
        for record in records
    ]


def stored(records: list[TrialRecord], root: Path) -> list[TrialRecord]:
    ResultsFolder(root).write_trials(records)
    return ResultsFolder(root).read_trials()


@pytest.mark.parametrize("change", [scrambled, lambda records: records[::-1]])
def test_neither_test_images_nor_true_labels_decide(
    change: Callable[[list[TrialRecord]], list[TrialRecord]], plan: Plan, records: list[TrialRecord], tmp_path: Path
) -> None:
    expected = wanted(plan, {record.trial: record for record in records})
    others = stored(change(records), tmp_path)
    found = wanted(plan, {record.trial: record for record in others})
    assert [(t.trial, t.config) for t in found] == [(t.trial, t.config) for t in expected]


def test_seeds_and_noise_are_fresh(plan: Plan, records: list[TrialRecord]) -> None:
    trainings = wanted(plan, {record.trial: record for record in records})
    settings = len(choose(plan, records))
    assert len({t.trial for t in trainings}) == len(trainings) == 3 * settings <= plan.confirmations
    assert len({t.config.train.seed for t in trainings}) == len(trainings)
    assert min(t.config.train.seed for t in trainings) >= FRESH_SEEDS > max(record.seed for record in records)
    for t in trainings:
        noise = t.condition.noise.model_dump()
        assert t.config.noise.model_dump() == {**noise, "seed": FRESH_SEEDS + int(t.trial[-1])}
        assert t.config.data.val_fraction == 0
        assert t.config.train.samples == t.like.budget
        assert warm_up(t.config) is None  # its seed is the training's too
        kept = {"noise": ..., "data": {"val_fraction"}, "warmup": {"seed"}, "train": {"seed"}}
        before = type(t.config).model_validate(t.like.config)
        assert t.config.model_dump(exclude=kept) == before.model_dump(exclude=kept)
