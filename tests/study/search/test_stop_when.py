"""A condition's search that ends when the best setting would probably gain little over the best one tried."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.dimensions.types import space_of
from study.driver.run_study import run_study
from study.errors import SpecError
from study.monitor.console import Progress
from study.plan.plan import Plan, load_plan
from study.results.folder import ResultsFolder
from study.search.optuna_search import Search
from study.surrogate.improvement import Candidates
from study.surrogate.process import fit
from study.surrogate.task import Known, Task
from study.trial import Outcome
from tests.support import simulated
from tests.support.studies import WriteStudy

JOINT: dict[str, Any] = {"sampler": {"kind": "joint", "startup": 2}, "baselines": {}}
MOST = 8


def planned(write_study: WriteStudy, regret: float, trials: int = MOST) -> Plan:
    return load_plan(write_study(**JOINT, stop_when={"expected_regret": regret}, budget__trials_per_condition=trials))


def finish(search: Search) -> int:
    """Let all trials of a search end as `simulated.value` says; return their number."""
    count = 0
    for attempt in iter(search.ask, None):
        count += 1
        value = simulated.value(attempt.condition.rate, attempt.config.mixmatch.lambda_u)
        search.tell(attempt, Outcome("complete", "", value * attempt.condition.noise.slope(10)))
    return count


def test_it_ends_where_nothing_is_to_be_gained_and_goes_on_where_less_suffices(
    write_study: WriteStudy, tmp_path: Path
) -> None:
    told = list[tuple[str, float]]()

    def opened(regret: float, trials: int = MOST) -> Search:
        plan = planned(write_study, regret, trials)
        return Search(plan, tmp_path / "journal", {}, stopped=lambda *one: told.append(one))

    search = opened(0.02)
    assert search.trials == 2 * MOST
    begun = finish(search)
    assert 2 * 2 <= begun == search.trials < 2 * MOST
    assert {name for name, _ in told} == {"symmetric-0.5", "symmetric-0.8"}
    assert all(0 <= regret < 0.02 for _, regret in told)

    for again in (opened(0.02), opened(0.02, 2 * MOST)):  # more trials in the budget change nothing
        assert again.trials == begun
        assert again.ask() is None
    more = opened(1e-9)
    assert more.trials == 2 * MOST
    assert begun + finish(more) == 2 * MOST
    assert len(told) == 2


def test_by_default_no_search_ends_early(write_study: WriteStudy, tmp_path: Path) -> None:
    search = Search(planned(write_study, 0), tmp_path / "journal", {})
    assert finish(search) == search.trials == 2 * MOST


def test_the_expected_regret_falls_as_a_search_learns() -> None:
    """Trials far from the best value leave much to gain, those around it little; those of another condition help, but
    only a setting tried here can be chosen."""
    space = space_of({"space": {"mixmatch/lambda_u": {"type": "float", "low": 1, "high": 100, "log": True}}})
    tasks = {name: Task("symmetric", 0.5, 1.0, 10_000) for name in ("one", "other")}

    def regret(one: list[float], other: list[float]) -> float:
        known = [
            Known(name, {"mixmatch/lambda_u": value}, simulated.value(0.5, value))
            for name, values in (("one", one), ("other", other))
            for value in values
        ]
        model = fit(space, tasks, known)
        assert model
        own = range(len(one))
        return Candidates(space).best(model, tasks["one"], [k.setting for k in known], own, [], seed=0).regret

    far, spread = [1.0, 1.3, 1.7, 2.2, 2.9], np.geomspace(1, 100, 9).tolist()
    best = max(simulated.value(0.5, value) for value in np.geomspace(1, 100, 100))
    assert regret(spread, []) < 0.01
    assert regret(far, []) > 5 * regret(spread, [])
    assert regret(far, spread) == pytest.approx(best - simulated.value(0.5, far[-1]), rel=0.2)


@pytest.mark.usefixtures("local_ray")
def test_a_study_ends_with_its_searches(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, folder = planned(write_study, 0.005, trials=40), ResultsFolder(tmp_path / "results")
    folder.root.mkdir()
    for _ in range(2):  # the second start finds nothing to do
        progress = Progress(plan)
        assert run_study(plan, folder, progress, simulated.curve)
        records = folder.read_trials()
        assert progress.trials == len(records) < 80
    assert {record.status for record in records} == {"complete"}
    told = capsys.readouterr().err
    assert "symmetric-0.5: the search ends here, the best setting would probably gain" in told
    assert f"{len(records)}/{len(records)} trials" in told


@pytest.mark.parametrize("kind", ["tpe", "gp"])
def test_it_needs_the_model_of_the_joint_sampler(kind: str, write_study: WriteStudy) -> None:
    file = write_study(sampler={"kind": kind}, stop_when={"expected_regret": 0.01})
    with pytest.raises(
        SpecError, match=rf"study.yaml:\d+: stop_when -> expected_regret: .*'{kind}'; allowed .*: joint"
    ):
        load_plan(file)
