"""Everything that a user can get wrong ends in one message that names the place, before anything starts."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import WriteStudy

from codim.config import DATA_DEFAULTS
from study.plan import Plan, load_plan, outline
from study.preflight import concurrent_trials, locked, require_same_study, require_writable, resolved_spec
from study.records import ResultsFolder, write_json
from study.run import Arguments, main
from study.source import SpecError
from study.spec import load_study

RUN = Path(__file__).parents[2] / "study" / "run.py"
RANGE = {"type": "float", "low": 1, "high": 10}
WHOLE = {"type": "int", "low": 1, "high": 4}
CHOICE = {"type": "categorical", "choices": [True, "b"]}
MEDIAN = {"kind": "median", "min_budget": 4000}


def when(parent: str, value: Any) -> dict[str, Any]:
    return {"type": "float", "low": 0.01, "high": 0.1, "when": {parent: value}}


@pytest.mark.parametrize(
    ("changes", "line_of", "told"),
    [
        ({"fixed__train": 48_000}, "train", "fixed -> train: 48000; allowed: settings"),
        ({"baselines__odd": {"method": ["ce"]}}, "method", "method: ['ce'] is unknown"),
        ({"space": {"warmup/epochs": {"type": "float", "low": 1, "high": 2}}}, "warmup/epochs", "valid integer"),
        (
            {"conditions": [{"kind": "symmetric", "rate": 0.5, "rat": 1}]},
            "rat:",
            "unknown setting; allowed: kind",
        ),
        ({"budgets": 1}, "budgets", "unknown key; allowed: budget,"),
        ({"pruner__mode": 1}, "mode", "pruner -> mode: unknown key; allowed: "),
        ({"fixed__mixmatch__lamda_u": 1}, "lamda_u", "mixmatch/lamda_u: unknown setting; allowed: lambda_u,"),
        ({"fixed__mixmatches": {"a": 1}}, "mixmatches", "mixmatches: unknown setting; allowed: mixmatch,"),
        ({"fixed__optim": {"lr": "fast"}}, "lr", "optim/lr: Input should be a valid number"),
        ({"fixed__method": "magic"}, "method", "'magic' is unknown, allowed: ce, dividemix"),
        (
            {
                "fixed__method": "codim-sup",
                "space": {"contrastive/kind": {"type": "categorical", "choices": ["sup", "self"]}},
            },
            "contrastive/kind",
            "contradicts method codim-sup, which sets",
        ),
        ({"fixed__noise": {"kind": "none"}}, "noise", "noise cannot stand here"),
        ({"fixed__data": {"val_fraction": 0}}, "val_fraction", "holds out no image"),
        ({"baselines__worse": {"optim": {"lr": -1}}}, "lr", "baselines -> worse: optim/lr"),
        ({"baselines__other": {"train": {"seed": 3}}}, "seed", "train/seed cannot stand here"),
        (
            {"resources": {"workers_per_trial": 2}},
            "resources",
            "cpus_per_trial: 1 cannot be shared evenly by 2 workers",
        ),
        (
            {"resources": {"cpus_per_trial": 2, "gpus_per_trial": 1, "workers_per_trial": 2}},
            "resources",
            "gpus_per_trial: 1 cannot be shared evenly by 2 workers; allowed: a multiple of 2",
        ),
        (
            {"resources": {"cpus_per_trial": 3, "workers_per_trial": 3}, "fixed__train__batch_size": 64},
            "batch_size",
            "train/batch_size: 64 cannot be shared evenly by 3 workers",
        ),
        (
            {
                "resources": {"cpus_per_trial": 2, "workers_per_trial": 2},
                "baselines__odd": {"pretrain": {"batch_size": 65}},
            },
            "batch_size",
            "baselines -> odd: pretrain/batch_size: 65 cannot be shared evenly by 2 workers",
        ),
        ({"budget__trials_per_condition": "many"}, "trials_per_condition", "should be a valid integer"),
        ({"space__lambda_u": RANGE}, "lambda_u", "a path is section/setting"),
        ({"space": {"mixmatch/gamma": RANGE}}, "mixmatch/gamma", "unknown setting"),
        ({"space": {"noise/rate": RANGE}}, "noise/rate", "cannot be searched"),
        ({"space": {"optim/lr": {"type": "float", "low": 2, "high": 1}}}, "optim/lr", "low must be below high"),
        ({"space": {"optim/lr": {"type": "float", "low": 0, "high": 1, "log": True}}}, "optim/lr", "needs low > 0"),
        ({"space": {"divide/p_threshold": RANGE}}, "divide/p_threshold", "less than or equal to 1 (found 10.0)"),
        ({"space": {"optim/lr": {"type": "real", "low": 1, "high": 2}}}, "optim/lr", "'float', 'int', 'categorical'"),
        (
            {"space": {"train/epoch": {"type": "categorical", "choices": ["dataset", "all"]}}},
            "train/epoch",
            "found 'all'",
        ),
        ({"fixed__train__samples": 3000}, "samples", "is too small"),
        ({"space": {"warmup/epochs": {"type": "int", "low": 1, "high": 9}}}, "samples", "at warmup/epochs = 9"),
        ({"pruner": {"kind": "median", "min_budget": 3000}}, "min_budget", "min_budget: 3000 is too small"),
        ({"conditions": [{"kind": "salt", "rate": 0.5}]}, "salt", "kind 'salt' is unknown; allowed: none, symmetric, "),
        ({"conditions": [{"kind": "symmetric", "rate": 1.5}]}, "rate", "less than or equal to 1"),
        ({"conditions": [{"kind": "asymmetric", "rate": 0.5, "map": "dogs"}]}, "map", "dogs"),
        ({"conditions": [{"kind": "none"}, {"kind": "none"}]}, "kind", "id 'none' is taken"),
        ({"conditions": [{"kind": "none", "id": "../up"}]}, "id: ../up", "allowed: 1 to 40 letters"),
        ({"conditions": [{"kind": "file", "path": "gone.npy"}]}, "gone", "does not exist"),
        (
            {"confirm": {"seeds": -1}},
            "seeds",
            "confirm -> seeds: Input should be greater than or equal to 0 (found -1)",
        ),
        ({"confirm": {"top": 3}}, "top", "confirm -> top: unknown key; allowed: top_k, seeds"),
        ({"objective": {"metric": "oracle_test_acc"}}, "metric", "is refused: a search that looks at test images"),
        ({"objective": {"metric": "loss"}}, "metric", "allowed: val_acc"),
        ({"objective": {"reduction": "max"}}, "reduction", "allowed: mean_last_<k>"),
        ({"objective": {"cost": "samples"}}, "cost", "objective -> cost: Input should be 'seconds'"),
        (
            {"objective": {"cost": "seconds"}, "pruner": MEDIAN},
            "kind: median",
            "'median' ranks trials by one objective",
        ),
        ({"sampler": {"kind": "bayes"}}, "kind: bayes", "'tpe', 'gp', 'cmaes', 'random' or 'qmc'"),
        ({"sampler": {"kind": "cmaes"}}, "kind: cmaes", "needs two or more dimensions of type float or int"),
        (
            {"sampler": {"kind": "cmaes"}, "objective": {"cost": "seconds"}},
            "kind: cmaes",
            "takes one objective, and objective -> cost adds a second; allowed beside it: tpe, gp, random, qmc",
        ),
        ({"pruner": {"kind": "wilcoxon"}}, "kind: wilcoxon", "trains with one seed of its own"),
        ({"pruner": {"kind": "halving"}}, "kind: halving", "'successive_halving', 'hyperband', 'median' or 'none'"),
        ({"pruner": MEDIAN | {"min_budget": 8000}}, "min_budget", "allowed: below train/samples, 8000"),
        ({"constraints": {"memory_gib": {"max": 3}}}, "constraints", "'memory_gib' is no metric that every trial"),
        ({"constraints": {"seconds": {}}}, "seconds", "names no bound; allowed: min, max"),
        ({"constraints": {"seconds": {"maximum": 1}}}, "maximum", "unknown key; allowed: max, min"),
        ({"constraints": {"seconds": {"min": 2, "max": 1}}}, "seconds", "min must not be above max"),
        ({"space__warmup/epochs": {**WHOLE, "step": 2}}, "warmup/epochs", "low plus a number of steps (low 1, step 2)"),
        ({"space__warmup/epochs": {**WHOLE, "step": 3, "log": True}}, "warmup/epochs", "step goes not with log: true"),
        (
            {"space__optim/lr": when("optim/momentum", 1)},
            "when",
            "when: optim/momentum is no dimension of this space; al",
        ),
        ({"space__optim/lr": when("mixmatch/lambda_u", 1)}, "when", "mixmatch/lambda_u is no switch; allowed: a categ"),
        (
            {"space__optim/lr": when("average/kind", 1), "space__average/kind": CHOICE},
            "when",
            "when: average/kind is never 1; allowed: True, b",
        ),
        (
            {"space__optim/lr": when("mixmatch/lambda_u", 0), "space__mixmatch/lambda_u": RANGE | {"zero": True}},
            "when",
            "mixmatch/lambda_u is never 0; allowed: zero, nonzero",
        ),
        (
            {
                "space__optim/lr": {"type": "categorical", "choices": [0.01, 0.1], "when": {"average/kind": True}},
                "space__average/kind": CHOICE | {"when": {"optim/lr": 0.1}},
            },
            "when",
            "wait for each other",
        ),
    ],
)
def test_a_study_file(changes: dict[str, Any], line_of: str, told: str, write_study: WriteStudy) -> None:
    file = write_study(**changes)
    with pytest.raises(SpecError) as error:
        load_plan(file)
    message = str(error.value)
    assert told in message
    assert message.startswith(f"{file}:")
    line = int(message.removeprefix(f"{file}:").split(":")[0])
    assert line_of in "\n".join(file.read_text().splitlines()[line - 1 : line + 1])


def test_cmaes_without_its_package(write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_study(sampler={"kind": "cmaes"}, **{"space__optim/lr": RANGE | {"low": 0.1, "high": 0.2}})
    monkeypatch.setattr("study.consistency.find_spec", lambda name: None)
    with pytest.raises(
        SpecError, match=r"study.yaml:\d+: sampler -> kind: 'cmaes' needs .*: pip install cmaes; allowed"
    ):
        load_plan(file)


def test_a_budget_that_suffices_without_co_training(write_study: WriteStudy) -> None:
    baselines = {"ce": {"method": "ce", "train": {"samples": 1000}}}
    assert load_plan(write_study(baselines=baselines)).baseline_config  # ce neither warms up nor ramps up


LAST_STAGE = {
    "ramp-up": {},
    "pre-training": {"space": {"optim/lr": {"type": "float", "low": 0.01, "high": 0.1}}, "baselines": {},
                     "fixed__train__co_training": False},
    "ramp-up, and no warm-up": {"fixed__method": "cssl", "fixed__divide": {"labels_per_class": 5}, "baselines": {}},
}  # fmt: skip


@pytest.mark.parametrize("changes", LAST_STAGE.values(), ids=LAST_STAGE)
def test_the_bound_that_is_told_is_the_one_that_is_checked(changes: dict[str, Any], write_study: WriteStudy) -> None:
    with pytest.raises(SpecError, match="samples: 1 is too small: pre-training ends after 1536 samples") as error:
        load_plan(write_study(**changes, fixed__train__samples=1))
    assert ("warm-up" in str(error.value)) == (changes == {})
    bound = int(str(error.value).rpartition("allowed: more than ")[2])
    with pytest.raises(SpecError, match=f"samples: {bound} is too small"):
        load_plan(write_study(**changes, fixed__train__samples=bound))
    load_plan(write_study(**changes, fixed__train__samples=bound + 1))


def test_longer_epochs_over_all_images_need_a_larger_budget(write_study: WriteStudy) -> None:
    bounds = []
    for seeds in (0, 1):
        file = write_study(fixed__train__samples=1, confirm={"seeds": seeds})
        with pytest.raises(SpecError, match=r"allowed: more than (\d+)$") as error:
            load_plan(file)
        bounds.append(int(str(error.value).rpartition(" ")[2]))
    assert bounds[1] > bounds[0]
    load_plan(write_study(fixed__train__samples=bounds[1] + 1, confirm={"seeds": 1}))
    load_plan(write_study(fixed__train__samples=bounds[0] + 1, confirm={"seeds": 0}))


def test_the_least_budget_of_the_pruner(write_study: WriteStudy) -> None:
    with pytest.raises(SpecError, match="min_budget: 1 is too small") as error:
        load_plan(write_study(pruner={"kind": "median", "min_budget": 1}))
    found = re.search(r"allowed: (\d+) or more", str(error.value))
    assert found
    load_plan(write_study(pruner={"kind": "median", "min_budget": int(found[1])}))
    with pytest.raises(SpecError, match="is too small"):
        load_plan(write_study(pruner={"kind": "median", "min_budget": int(found[1]) - 1}))


def test_the_outline_refuses_only_what_the_data_would(write_study: WriteStudy) -> None:
    file = write_study(fixed__train__samples=1)
    bounds = []
    for check, words in ((load_plan, ""), (outline_of, "about ")):
        with pytest.raises(SpecError, match=f"samples: 1 is too small.*allowed: more than {words}\\d+$") as error:
            check(file)
        bounds.append(int(str(error.value).rpartition(" ")[2]))
    assert 0 <= bounds[0] - bounds[1] <= 2 * 20 + 64  # in two epochs, a batch rounded up
    plan = outline_of(write_study(fixed__train__samples=bounds[0] + 1))
    assert plan.trials == 6
    assert not plan.data


def outline_of(file: Path) -> Plan:
    return outline(*load_study(file))


def test_data_of_no_published_size_are_asked_after_the_plan_is_told(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"fixed__data": {"name": "folder", "root": "gone"}, "fixed__network": {}, "conditions": [{"kind": "none"}]}
    assert main(Arguments(write_study(**own, fixed__train__samples=1), tmp_path / "results")) == 2
    told, _, error = capsys.readouterr().err.partition("error: ")
    assert "study tiny: 3 trials" in told
    assert "study.yaml:" in error
    assert "gone" in error
    assert not (tmp_path / "results").exists()
    assert main(Arguments(write_study(**own, fixed__optim={"lr": -1}), tmp_path / "results")) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("labels", "told"),
    [(np.zeros(10, int), "shape (10,)"), (np.full(1347, 10), "labels run from 10 to 10"), (np.zeros(1347), "integers")],
)
def test_a_label_file(labels: Any, told: str, write_study: WriteStudy, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", labels)
    with pytest.raises(SpecError, match=r"study\.yaml:") as error:
        load_plan(write_study(conditions=[{"kind": "file", "path": "labels.npy"}]))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: a\nname: b\n", ":2: not a valid study file"),
        ("name: [a\n", "not a valid study file"),
        ("- a\n", "a study file is a mapping"),
        ("name: !!python/object/apply:os.mkdir [executed]\n", "not a valid study file"),
    ],
)
def test_not_a_study(text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SpecError) as error:
        load_plan(tmp_path / "bad.yaml")
    assert told in str(error.value)
    assert not (tmp_path / "executed").exists()


def test_numbers_are_those_of_yaml_1_2(write_study: WriteStudy) -> None:
    file = write_study()
    file.write_text(file.read_text().replace("low: 1,", "low: 1e-3,"))
    assert load_plan(file).spec.space["mixmatch/lambda_u"].corners() == (0.001, 100.0)


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
        monkeypatch.setitem(DATA_DEFAULTS["digits"], "optim", {"lr": 0.07})
        with pytest.raises(SpecError, match=r"config -> optim -> lr = 0.05, now it is 0.07"):
            require_same_study(folder, resolved_spec(load_plan(write_study())))

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
    assert concurrent_trials(plan, [(4, 0), (4, 0)]) == 2
    assert concurrent_trials(plan, [(2, 0), (2, 0)]) == 0
    capped = load_plan(write_study(resources={"cpus_per_trial": 1, "max_concurrent": 5}))
    assert concurrent_trials(capped, [(4, 0), (4, 0)]) == 5


def test_the_workers_of_a_trial_may_span_nodes(write_study: WriteStudy) -> None:
    plan = load_plan(write_study(resources={"cpus_per_trial": 4, "workers_per_trial": 2}))
    assert concurrent_trials(plan, [(3, 0), (3, 0), (5, 0)]) == 2
    assert concurrent_trials(plan, [(3, 0)]) == 0
    assert concurrent_trials(plan, [(1, 0)] * 9) == 0
    on_gpus = {"cpus_per_trial": 2, "gpus_per_trial": 2, "workers_per_trial": 2}
    plan = load_plan(write_study(resources=on_gpus))
    assert concurrent_trials(plan, [(8, 1), (1, 4), (9, 0)]) == 1


def test_a_trial_that_no_machine_holds(write_study: WriteStudy, tmp_path: Path, capsys: Any) -> None:
    file = write_study(resources={"cpus_per_trial": 4096})
    assert main(Arguments(file, tmp_path / "results")) == 2
    assert "a trial asks for 4096 CPUs" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


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
def test_no_cluster(address: str, write_study: WriteStudy, tmp_path: Path) -> None:
    done = command(
        "--space", str(write_study()), "--results", str(tmp_path / "results"), "--address", address,
        RAY_TMPDIR=str(tmp_path), RAY_ADDRESS="",
    )  # fmt: skip
    assert done.returncode == 2
    assert f"--address {address}: no Ray cluster answers" in done.stderr
    assert "Traceback" not in done.stderr
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
    assert f"confirmation: {told}, on training and validation part" in done.stderr
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
    assert spec["objective"] == {"metric": "val_acc", "reduction": "mean_last_5", "cost": None}
