"""What keeps a sound study file from starting: the results folder, the machine, the cluster, the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codim.config.datasets import DATASET_FACTS
from study.errors import SpecError
from study.plan.plan import load_plan
from study.preflight.checks import (
    concurrent_trials,
    locked,
    require_memory,
    require_same_study,
    require_writable,
    resolved_spec,
)
from study.results.folder import ResultsFolder, write_json
from study.run import Arguments, main
from tests.support import ROOT
from tests.support.studies import WriteStudy

RUN = ROOT / "study" / "run.py"


class TestResultsFolder:
    def test_of_a_study_that_only_grew(self, write_study: WriteStudy, tmp_path: Path) -> None:
        folder = ResultsFolder(tmp_path)
        write_json(folder.spec, resolved_spec(load_plan(write_study())))
        more = [{"kind": "symmetric", "rate": rate} for rate in (0.2, 0.5, 0.8)]
        changed: dict[str, Any] = {"resources": {"max_concurrent": 1}, "confirm": {"seeds": 2}}
        grown = write_study(conditions=more, budget__trials_per_condition=9, **changed)
        require_same_study(folder, resolved_spec(load_plan(grown)))

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"fixed__network__width": 8}, "fixed -> network -> width = 4, now it is 8"),
            ({"sampler__seed": 1}, "sampler -> seed = 0, now it is 1"),
            ({"baselines": {}}, "baselines -> codim-sup"),
            ({"conditions": [{"kind": "symmetric", "rate": 0.5}]}, "holds condition"),
            ({"budget__trials_per_condition": 1}, "it may only grow"),
        ],
    )
    def test_of_another_study(
        self, changes: dict[str, Any], told: str, write_study: WriteStudy, tmp_path: Path
    ) -> None:
        folder = ResultsFolder(tmp_path / "results" / "tiny")
        folder.root.mkdir(parents=True)
        write_json(folder.spec, resolved_spec(load_plan(write_study())))
        before = folder.spec.read_bytes()
        with pytest.raises(SpecError) as error:
            require_same_study(folder, resolved_spec(load_plan(write_study(**changes))))
        assert told in str(error.value)
        assert main(Arguments(tmp_path / "study.yaml", tmp_path / "results")) == 2
        assert [path.name for path in folder.root.iterdir()] == ["spec.json"]
        assert folder.spec.read_bytes() == before

    def test_of_this_study_under_other_defaults(
        self, write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = ResultsFolder(tmp_path)
        write_json(folder.spec, resolved_spec(load_plan(write_study())))
        monkeypatch.setitem(DATASET_FACTS["digits"].defaults, "optim", {"lr": 0.07})
        with pytest.raises(SpecError, match=r"config -> optim -> lr = 0.05, now it is 0.07"):
            require_same_study(folder, resolved_spec(load_plan(write_study())))

    def test_of_a_study_from_before_the_consensus(self, write_study: WriteStudy, tmp_path: Path) -> None:
        """It goes on without one."""
        folder, now = ResultsFolder(tmp_path), resolved_spec(load_plan(write_study()))
        before = {name: value for name, value in now["objective"].items() if name != "consensus"}
        write_json(folder.spec, {**now, "objective": before})
        require_same_study(folder, now)
        other = resolved_spec(load_plan(write_study(objective__consensus=True)))
        with pytest.raises(SpecError, match="objective -> consensus = False, now it is True"):
            require_same_study(folder, other)

    def test_of_a_study_whose_curves_had_other_steps(self, write_study: WriteStudy, tmp_path: Path) -> None:
        """As before the pruner counted from the end of the warm-up; without a pruner nothing compares them."""
        folder = ResultsFolder(tmp_path)
        for kind in ("none", "median"):
            now = resolved_spec(load_plan(write_study(pruner={"kind": kind, "min_budget": 4000})))
            before = {**now, "pruner": {name: value for name, value in now["pruner"].items() if name != "steps"}}
            write_json(folder.spec, before)
            if kind == "none":
                require_same_study(folder, now)
        with pytest.raises(SpecError, match="pruner -> steps = None, now it is 'samples past warm-up'"):
            require_same_study(folder, now)

    def test_with_a_damaged_spec(self, write_study: WriteStudy, tmp_path: Path) -> None:
        folder = ResultsFolder(tmp_path)
        folder.spec.write_text('{"name": "ti')
        with pytest.raises(SpecError, match=r"spec.json is damaged"):
            require_same_study(folder, resolved_spec(load_plan(write_study())))

    def test_of_something_else(self, write_study: WriteStudy, tmp_path: Path) -> None:
        (tmp_path / "holiday.jpg").touch()
        with pytest.raises(SpecError, match="holds files but no spec"):
            require_same_study(ResultsFolder(tmp_path), resolved_spec(load_plan(write_study())))

    def test_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for check in (require_writable, lambda folder: locked(folder).__enter__()):
            with pytest.raises(SpecError, match="cannot be written"):
                check(ResultsFolder(tmp_path / "file" / "results"))

    def test_of_a_study_that_is_running(self, tmp_path: Path) -> None:
        folder = ResultsFolder(tmp_path)
        with locked(folder), pytest.raises(SpecError, match="another driver"), locked(folder):
            pass


def test_a_trial_does_not_span_nodes(write_study: WriteStudy) -> None:
    plan = load_plan(write_study(resources={"cpus_per_trial": 3}))
    assert concurrent_trials(plan.spec.resources, [(4, 0), (4, 0)]) == 2
    assert concurrent_trials(plan.spec.resources, [(2, 0), (2, 0)]) == 0
    capped = load_plan(write_study(resources={"cpus_per_trial": 1, "max_concurrent": 5}))
    assert concurrent_trials(capped.spec.resources, [(4, 0), (4, 0)]) == 5


def test_the_workers_of_a_trial_may_span_nodes(write_study: WriteStudy) -> None:
    plan = load_plan(write_study(resources={"cpus_per_trial": 4, "workers_per_trial": 2}))
    assert concurrent_trials(plan.spec.resources, [(3, 0), (3, 0), (5, 0)]) == 2
    assert concurrent_trials(plan.spec.resources, [(3, 0)]) == 0
    assert concurrent_trials(plan.spec.resources, [(1, 0)] * 9) == 0
    on_gpus = {"cpus_per_trial": 2, "gpus_per_trial": 2, "workers_per_trial": 2}
    plan = load_plan(write_study(resources=on_gpus))
    assert concurrent_trials(plan.spec.resources, [(8, 1), (1, 4), (9, 0)]) == 1


def test_a_trial_that_no_machine_holds(write_study: WriteStudy, tmp_path: Path, capsys: Any) -> None:
    file = write_study(resources={"cpus_per_trial": 4096})
    assert main(Arguments(file, tmp_path / "results")) == 2
    assert "a trial asks for 4096 CPUs" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_trials_of_several_workers_that_fill_the_memory(write_study: WriteStudy) -> None:
    plan = load_plan(write_study(resources={"cpus_per_trial": 2, "workers_per_trial": 2}))
    require_memory(plan, 7, 14.1, "this machine")
    with pytest.raises(SpecError, match=r"7 trials of 2 workers at a time take 14.0 GiB .* this machine has 13.9 GiB"):
        require_memory(plan, 7, 13.9, "this machine")
    require_memory(load_plan(write_study()), 100, 1.0, "this machine")


def command(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(RUN), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
    )


def test_the_command_line_says_it_and_exits_with_2(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(budget__trials_per_condition=0)
    done = command("--space", str(file), "--results", str(tmp_path / "results"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {file}:")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1"])
def test_no_cluster(
    address: str,
    write_study: WriteStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(
        "study.ray_cluster.connection.started_here", list
    )  # those of other tests are up, and maybe others
    assert main(Arguments(write_study(), str(tmp_path / "results"), address)) == 2
    said = capsys.readouterr().err
    assert f"--address {address}: no Ray cluster answers" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


def test_ray_client_is_refused(write_study: WriteStudy, tmp_path: Path, capsys: Any) -> None:
    assert main(Arguments(write_study(), tmp_path / "results", "ray://127.0.0.1:10001")) == 2
    assert "run the study on a node of the cluster" in capsys.readouterr().err


def test_a_dry_run_starts_and_writes_nothing(write_study: WriteStudy, tmp_path: Path, ray_folder: Path) -> None:
    file = write_study(confirm={"top_k": 2, "seeds": 3})
    before, sessions = sorted(tmp_path.iterdir()), sorted(ray_folder.rglob("session_*"))
    done = command("--space", str(file), "--results", str(tmp_path / "results"), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "6 trials = 2 conditions x (1 baselines + 2 searched)" in done.stderr
    told = "at most 24 trainings = 2 conditions x (1 baselines + 2 best + 1 robust) x 3 seeds"
    assert f"confirmation: {told}, on the training and validation parts" in done.stderr
    assert "forecast: at most" in done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert sorted(ray_folder.rglob("session_*")) == sessions


@pytest.fixture
def written(write_study: WriteStudy) -> Callable[[], Any]:
    return lambda: json.loads(json.dumps(resolved_spec(load_plan(write_study()))))


def test_the_resolved_study_says_everything(written: Callable[[], Any]) -> None:
    spec = written()
    assert spec["conditions"][0] == {
        "id": "symmetric-0.5", "kind": "symmetric", "rate": 0.5, "include_true": True, "seed": 0
    }  # fmt: skip
    assert spec["budget"] == {"trials_per_condition": 2, "samples": 8000}
    assert spec["data"] == "digits"
    assert spec["objective"] == {"metric": "val_acc", "reduction": "mean_last_5", "consensus": False, "cost": None}
