"""Transfer along the noise axis, by itself and in the search; no Ray."""

from pathlib import Path
from typing import Any

import pytest

from codim.noise.kinds import NOISE_ADAPTER
from study.plan.plan import load_plan
from study.search.optuna_search import Search
from study.search.transfer import TRANSFERRED, transferred
from study.spec.conditions import Condition
from study.trial import Outcome
from tests.support.studies import WriteStudy


def condition(rate: float, **noise: Any) -> Condition:
    spec = NOISE_ADAPTER.validate_python({"kind": "symmetric", "rate": rate} | noise)
    return Condition(f"{spec.kind}-{rate}", spec, 0)


def found(first: float) -> list[tuple[dict[str, float], float]]:
    return [({"x": first + i}, value) for i, value in enumerate((0.5, 0.9, 0.7, 0.1))]


@pytest.mark.parametrize(("rate", "nearest"), [(0.25, 0.2), (0.35, 0.2), (0.5, 0.5), (0.9, 0.5)])
def test_the_best_of_the_nearest_of_the_same_kind(rate: float, nearest: float) -> None:
    others = {
        condition(0.2): found(20.0),
        condition(0.5): found(50.0),
        condition(0.8): [],
        condition(rate, kind="pairflip"): found(0.0),
        condition(rate, include_true=False): found(10.0),
    }
    best = transferred(condition(rate, seed=7), others)
    assert best == [{"x": 100 * nearest + 1}, {"x": 100 * nearest + 2}]
    assert len(best) == TRANSFERRED


def test_nothing_from_another_kind() -> None:
    assert transferred(condition(0.5), {condition(0.5, kind="pairflip"): found(1.0)}) == []
    assert transferred(condition(0.5), {}) == []


@pytest.mark.parametrize("transfer", [True, False])
def test_a_condition_starts_from_its_neighbours_best(transfer: bool, write_study: WriteStudy, tmp_path: Path) -> None:
    plan = load_plan(
        write_study(
            conditions=[{"kind": "symmetric", "rate": 0.5}, {"kind": "symmetric", "rate": 0.8}],
            baselines={},
            sampler={"transfer": transfer},
            budget__trials_per_condition=4,
        )
    )
    search = Search(plan, tmp_path / "journal", {})
    given: dict[str, list[float]] = {"symmetric-0.5": [], "symmetric-0.8": []}
    order = []
    for number, attempt in enumerate(iter(search.ask, None)):
        order.append(attempt.condition.id)
        given[attempt.condition.id].append(float(attempt.params["mixmatch/lambda_u"]))
        value = (0.2, 0.8, 0.3, 0.6, 0.1, 0.1, 0.1, 0.1)[number]
        search.tell(attempt, Outcome("complete", "", value))
    first, second = given.values()
    assert (order == ["symmetric-0.5"] * 4 + ["symmetric-0.8"] * 4) == transfer
    assert (second[:2] == pytest.approx([first[1], first[3]])) == transfer
    assert len(set(second)) == 4
