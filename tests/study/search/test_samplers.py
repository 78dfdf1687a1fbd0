"""Each sampler by its name, and dimensions that are searched only where another one says so."""

import math
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from scipy.stats import qmc

from codim.config.train_config import train_config
from study.dimensions.quantiles import at, quantile
from study.dimensions.ranges import IntDimension
from study.dimensions.space import in_order, present, switched_on
from study.dimensions.types import space_of
from study.plan.plan import load_plan
from study.search.optuna_search import Search
from study.search.samplers import quasi_random
from study.spec.sections import Sampler
from study.trial import Outcome
from tests.support.drive import drive
from tests.support.studies import WriteStudy

KINDS = ("tpe", "joint", "gp", "cmaes", "random", "qmc")
TWO = {
    "mixmatch/lambda_u": {"type": "float", "low": 1, "high": 100, "log": True},
    "divide/p_threshold": {"type": "float", "low": 0.1, "high": 0.9},
}
ONE_CONDITION = {"conditions": [{"kind": "symmetric", "rate": 0.5}], "baselines": {}}
SWITCHED: dict[str, Any] = {
    "contrastive/temperature": {"type": "float", "low": 0.1, "high": 1, "when": {"contrastive/weight": "nonzero"}},
    "contrastive/sup_weight": {"type": "float", "low": 2, "high": 4, "when": {"contrastive/kind": ["both"]}},
    "contrastive/kind": {
        "type": "categorical", "choices": ["self", "both"], "when": {"contrastive/weight": "nonzero"},
    },
    "contrastive/weight": {"type": "float", "low": 0.9, "high": 1, "zero": True},
    "mixmatch/lambda_u": {"type": "int", "low": 10, "high": 70, "step": 20},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_sampler_by_its_name(kind: str, write_study: WriteStudy, tmp_path: Path) -> None:
    if kind == "cmaes":
        pytest.importorskip("cmaes")
    trials = 14 if kind == "gp" else 40  # half a second for each of its points
    sampler = {"kind": kind, "startup": 8}
    plan = load_plan(write_study(**ONE_CONDITION, space=TWO, sampler=sampler, budget__trials_per_condition=trials))
    ended = drive(plan, tmp_path / "journal")
    assert {outcome.status for _, outcome in ended} == {"complete"}
    assert len({tuple(attempt.params.values()) for attempt, _ in ended}) == trials
    for attempt, _ in ended:
        assert 1 <= attempt.config.mixmatch.lambda_u <= 100
        assert 0.1 <= attempt.config.divide.p_threshold <= 0.9
    found = [outcome.objective for _, outcome in ended]
    learnt = fmean(found[-6:]) - fmean(found[:8])
    assert learnt > 0.03 if kind in ("tpe", "joint", "gp", "cmaes") else learnt < 0.03


def test_quasi_random_points_are_those_of_sobol(write_study: WriteStudy) -> None:
    axes: dict[str, Any] = {name: FloatDistribution(0, 1) for name in "abc"}
    expected = qmc.Sobol(3, seed=7).random_base2(4)
    for kind, known in (("qmc", 16), ("tpe", 5), ("gp", 5), ("random", 0)):
        sampler = Sampler(kind=kind, startup=5)
        points = [quasi_random(sampler, axes, 7, index) for index in range(16)]
        assert [list(point.values()) for point in points[:known]] == expected[:known].tolist()
        assert points[known:] == [{}] * (16 - known)


def test_a_quasi_random_search_goes_on_where_it_stopped(write_study: WriteStudy, tmp_path: Path) -> None:
    def values(journal: str, *trials: int) -> list[Any]:
        found = []
        for n in trials:
            file = write_study(**ONE_CONDITION, sampler={"kind": "qmc"}, budget__trials_per_condition=n)
            found += [attempt.params for attempt, _ in drive(load_plan(file), tmp_path / journal)]
        return found

    assert values("twice", 3, 8) == values("once", 8)


@pytest.mark.parametrize("kind", KINDS)
def test_where_when_does_not_hold_a_dimension_is_absent(kind: str, write_study: WriteStudy, tmp_path: Path) -> None:
    if kind == "cmaes":
        pytest.importorskip("cmaes")
    trials = 18 if kind == "gp" else 40
    sampler = {"kind": kind, "startup": 16}
    plan = load_plan(write_study(**ONE_CONDITION, space=SWITCHED, sampler=sampler, budget__trials_per_condition=trials))
    default = train_config({"method": "codim-sup"}).contrastive
    seen = set()
    for attempt, outcome in drive(plan, tmp_path / "journal"):
        params, used = attempt.params, attempt.config.contrastive
        on = params["contrastive/weight"] != 0
        both = on and params["contrastive/kind"] == "both"
        assert ("contrastive/temperature" in params) == ("contrastive/kind" in params) == on
        assert ("contrastive/sup_weight" in params) == both
        assert set(attempt.handle.params) == set(params)
        assert used.temperature == params.get("contrastive/temperature", default.temperature)
        assert used.kind == params.get("contrastive/kind", default.kind)
        assert used.sup_weight == params.get("contrastive/sup_weight", default.sup_weight)
        assert params["mixmatch/lambda_u"] in (10, 30, 50, 70)
        assert plan.params_of(attempt.config) == params
        assert outcome.status == "complete"
        seen.add((on, both))
    assert seen == {(False, False), (True, False), (True, True)}


def test_an_interrupted_trial_keeps_what_was_searched_in_it(write_study: WriteStudy, tmp_path: Path) -> None:
    plan = load_plan(write_study(**ONE_CONDITION, space=SWITCHED, budget__trials_per_condition=12))
    first, second = ({a.trial: a.params for a in iter(Search(plan, tmp_path / "j", {}).ask, None)} for _ in range(2))
    assert first == second
    assert len({frozenset(params) for params in first.values()}) == 3


def test_a_baseline_off_the_switch_informs_the_search(write_study: WriteStudy, tmp_path: Path) -> None:
    off = {"none": {"contrastive": {"weight": 0}, "mixmatch": {"lambda_u": 30}}}
    file = write_study(**ONE_CONDITION | {"baselines": off}, space=SWITCHED, budget__trials_per_condition=1)
    drive(load_plan(file), tmp_path / "journal")
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    copied = [
        t for t in optuna.load_study(study_name="symmetric-0.5", storage=storage).trials if "baseline" in t.user_attrs
    ]
    assert [set(trial.params) for trial in copied] == [{"contrastive/weight", "mixmatch/lambda_u"}]


def test_a_dimension_waits_for_those_that_its_when_names(write_study: WriteStudy) -> None:
    space = load_plan(write_study(**ONE_CONDITION, space=SWITCHED)).spec.space
    order = in_order(space)
    assert order.index("contrastive/weight") < order.index("contrastive/kind") < order.index("contrastive/sup_weight")
    # A choice below a switch that is off is off too, whatever it says.
    values = {"contrastive/weight": 0.0, "contrastive/kind": "both", "contrastive/sup_weight": 2.0}
    assert present(space, values) == {"contrastive/weight": 0.0}
    above = switched_on(space, "contrastive/sup_weight")
    assert above == {"contrastive/weight": 0.9, "contrastive/kind": "both"}
    assert set(present(space, above | {"contrastive/sup_weight": 2.0})) == {*above, "contrastive/sup_weight"}


def test_the_corners_of_a_conditional_setting_are_checked_where_it_is_searched(write_study: WriteStudy) -> None:
    """Nine epochs of warm-up do not fit, and only the corners that have them are refused."""
    space = {
        "train/epoch": {"type": "categorical", "choices": ["dataset", "labelled"]},
        "warmup/epochs": {"type": "int", "low": 1, "high": 9, "when": {"train/epoch": "dataset"}},
    }
    with pytest.raises(ValueError, match="train/epoch = dataset, warmup/epochs = 9"):
        load_plan(write_study(space=space))


def test_whole_numbers_in_steps_are_drawn_evenly() -> None:
    prior = IntDimension(type="int", low=10, high=70, step=20).distribution()
    drawn = [at(prior, (i + 0.5) / 1000) for i in range(1000)]
    assert {value: drawn.count(value) for value in drawn} == {10: 250, 30: 250, 50: 250, 70: 250}
    log = IntDimension(type="int", low=1, high=63, log=True).distribution()
    halves = [at(log, u) for u in (0, 0.49999, 0.50001, 0.99999)]
    assert halves == [1, 7, 8, 63]
    assert math.isclose(64**0.5, 8)


@pytest.mark.parametrize("dimension", [*TWO.values(), *SWITCHED.values()])
def test_a_quantile_is_where_its_value_lies(dimension: dict[str, Any]) -> None:
    own = space_of({"space": {"a/b": dimension}})["a/b"].distribution()
    for u in (0.0, 0.2, 0.5, 0.9, 1 - 1e-9):
        value = at(own, u)
        place = quantile(own, value)
        assert 0 <= place < 1
        assert at(own, place) == pytest.approx(value)


def test_a_condition_learns_from_another_one(write_study: WriteStudy, tmp_path: Path) -> None:
    """The second condition's trials alone cannot tell settings apart; those of the first can, and the best is the
    same."""
    conditions = [{"kind": "symmetric", "rate": rate} for rate in (0.2, 0.8)]
    sampler = {"kind": "joint", "startup": 2}
    plan = load_plan(
        write_study(conditions=conditions, baselines={}, space=TWO, sampler=sampler, budget__trials_per_condition=9)
    )
    search, rng, asked = Search(plan, tmp_path / "journal", {}), np.random.default_rng(0), list[float]()
    for attempt in iter(search.ask, None):
        threshold = float(attempt.params["divide/p_threshold"])
        noisy = attempt.condition.rate == 0.8
        value = 0.25 + 0.05 * rng.normal() if noisy else 0.8 - (threshold - 0.3) ** 2
        search.tell(attempt, Outcome("complete", "", value))
        if noisy:
            asked.append(threshold)
    assert fmean(abs(threshold - 0.3) for threshold in asked[-4:]) < 0.15
