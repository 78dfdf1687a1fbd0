"""Everything that a user can get wrong in a study file ends in one message that names the place."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.errors import SpecError
from study.plan.plan import Plan, load_plan, outline
from study.run import Arguments, main
from study.spec.study_spec import load_study
from tests.support.studies import WriteStudy

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
        ({"fixed__noise": {"kind": "none"}}, "noise", "noise cannot be set here"),
        ({"fixed__data": {"val_fraction": 0}}, "val_fraction", "holds out no image"),
        ({"baselines__worse": {"optim": {"lr": -1}}}, "lr", "baselines -> worse: optim/lr"),
        ({"baselines__other": {"train": {"seed": 3}}}, "seed", "train/seed cannot be set here"),
        (
            {"resources": {"workers_per_trial": 2}},
            "resources",
            "cpus_per_trial: 1 cannot be divided evenly among 2 workers",
        ),
        (
            {"resources": {"cpus_per_trial": 2, "gpus_per_trial": 1, "workers_per_trial": 2}},
            "resources",
            "gpus_per_trial: 1 cannot be divided evenly among 2 workers; allowed: a multiple of 2",
        ),
        (
            {"resources": {"cpus_per_trial": 3, "workers_per_trial": 3}, "fixed__train__batch_size": 64},
            "batch_size",
            "train/batch_size: 64 cannot be divided evenly among 3 workers",
        ),
        (
            {
                "resources": {"cpus_per_trial": 2, "workers_per_trial": 2},
                "baselines__odd": {"pretrain": {"batch_size": 65}},
            },
            "batch_size",
            "baselines -> odd: pretrain/batch_size: 65 cannot be divided evenly among 2 workers",
        ),
        ({"budget__trials_per_condition": "many"}, "trials_per_condition", "should be a valid integer"),
        ({"space__lambda_u": RANGE}, "lambda_u", "a path is section/setting"),
        ({"space": {"mixmatch/gamma": RANGE}}, "mixmatch/gamma", "unknown setting"),
        ({"space": {"noise/rate": RANGE}}, "noise/rate", "cannot be searched"),
        ({"space": {"optim/lr": {"type": "float", "low": 2, "high": 1}}}, "optim/lr", "low must be below high"),
        ({"space": {"optim/lr": {"type": "float", "low": 0, "high": 1, "log": True}}}, "optim/lr", "needs low > 0"),
        ({"space": {"divide/p_threshold": RANGE}}, "divide/p_threshold", "less than or equal to 1 (found 10.0)"),
        (
            {"space": {"optim/lr": {"type": "real", "low": 1, "high": 2}}},
            "optim/lr",
            "'real' is unknown; allowed: float, int, categorical",
        ),
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
        ({"confirm": {"top": 3}}, "top", "confirm -> top: unknown key; allowed: top_k, most_seeds, half_width, seeds"),
        ({"objective": {"metric": "oracle_test_acc"}}, "metric", "is refused: a search that looks at test images"),
        ({"objective": {"metric": "loss"}}, "metric", "allowed: val_acc"),
        ({"objective": {"reduction": "max"}}, "reduction", "allowed: mean_last_<k>"),
        ({"objective": {"cost": "samples"}}, "cost", "objective -> cost: Input should be 'seconds'"),
        (
            {"objective": {"cost": "seconds"}, "pruner": MEDIAN},
            "kind: median",
            "'median' ranks trials by one objective",
        ),
        ({"sampler": {"kind": "bayes"}}, "kind: bayes", "'tpe', 'joint', 'gp', 'cmaes', 'random' or 'qmc'"),
        ({"sampler": {"kind": "cmaes"}}, "kind: cmaes", "needs two or more dimensions of type float or int"),
        *(
            (
                {"sampler": {"kind": kind}, "objective": {"cost": "seconds"}},
                f"kind: {kind}",
                "takes one objective, and objective -> cost adds a second; allowed beside it: tpe, gp, random, qmc",
            )
            for kind in ("cmaes", "joint")
        ),
        ({"pruner": {"kind": "wilcoxon"}}, "kind: wilcoxon", "trains with one seed of its own"),
        ({"pruner": {"kind": "halving"}}, "kind: halving", "'successive_halving', 'hyperband', 'median' or 'none'"),
        ({"pruner": MEDIAN | {"min_budget": 8000}}, "min_budget", "allowed: below train/samples, 8000"),
        ({"constraints": {"memory_gib": {"max": 3}}}, "constraints", "'memory_gib' is not a metric that every trial"),
        ({"constraints": {"seconds": {}}}, "seconds", "has no bound; allowed: min, max"),
        ({"constraints": {"seconds": {"maximum": 1}}}, "maximum", "unknown key; allowed: max, min"),
        ({"constraints": {"seconds": {"min": 2, "max": 1}}}, "seconds", "min must not be above max"),
        ({"space__warmup/epochs": {**WHOLE, "step": 2}}, "warmup/epochs", "low plus a number of steps (low 1, step 2)"),
        (
            {"space__warmup/epochs": {**WHOLE, "step": 3, "log": True}},
            "warmup/epochs",
            "step cannot be combined with log: true",
        ),
        (
            {"space__optim/lr": when("optim/momentum", 1)},
            "when",
            "when: optim/momentum is not a dimension of this space; al",
        ),
        (
            {"space__optim/lr": when("mixmatch/lambda_u", 1)},
            "when",
            "mixmatch/lambda_u cannot be a switch; allowed: a categ",
        ),
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
            "depend on each other in a circle",
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
    monkeypatch.setattr("study.plan.consistency.find_spec", lambda name: None)
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
