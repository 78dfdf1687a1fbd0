"""Private parts of Ray and Optuna are used in one file each, are there, and both have the versions that we ask for."""

import ast
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version

import optuna
import pytest
from packaging.requirements import Requirement

from tests.support import ROOT

PLACES = ["study/ray_private.py", "study/search/optuna_private.py"]
NAMES = [
    "ray._common.utils:get_default_system_temp_dir",
    "ray._private.ray_constants:ENABLE_RAY_CLUSTER",
    "ray._private.services:find_bootstrap_address",
    "ray._private.worker:print_to_stdstream",
    "ray._raylet:AuthenticationTokenLoader.instance",
    "ray._raylet:AuthenticationTokenLoader.reset_cache",
    "ray.air.execution._internal.actor_manager:RayActorManager._actor_task_failed",
    "ray.train.torch.config:_set_torch_distributed_env_vars",
    "ray.train.v2._internal.constants:ENV_VARS_TO_PROPAGATE.add",
    "optuna.pruners:HyperbandPruner._create_bracket_study",
    "optuna.trial:FrozenTrial.system_attrs",
]


@pytest.mark.parametrize("name", ["optuna", "ray"])
def test_the_version_is_one_that_the_hooks_are_written_for(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [text for extra in ("report", "study") for text in project["optional-dependencies"][extra]]
    (asked,) = (r for r in map(Requirement, wanted) if r.name == name)
    assert any(bound.operator == "<" for bound in asked.specifier)
    assert asked.specifier.contains(version(name), prereleases=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_private_name_is_there(name: str) -> None:
    module, _, path = name.partition(":")
    found = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)


def test_a_trial_of_optuna_has_a_private_number_that_makes_a_handle() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"x": 3.0})
    trial = study.ask()
    (frozen,) = study.get_trials()
    assert optuna.Trial(study, frozen._trial_id).number == trial.number
    assert frozen.system_attrs["fixed_params"] == {"x": 3.0}


def private(tree: ast.AST) -> Iterator[str]:
    """Imports of private names of Ray and Optuna, and of private attributes of what is not our own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("ray", "optuna"):
            yield from (f"{node.module}.{a.name}" for a in node.names if "._" in f"{node.module}.{a.name}")
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.startswith(("ray._", "optuna._")) or node.attr == "_trial_id":
                yield name


def test_nobody_else_uses_private_names() -> None:
    used = {str(path.relative_to(ROOT)): [*private(ast.parse(path.read_text()))] for path in ROOT.glob("study/**/*.py")}
    assert [place for place in sorted(used) if used[place]] == PLACES
    known = [name.replace(":", ".") for name in NAMES]
    assert all(any(name.startswith(found) for name in known) for found in used["study/ray_private.py"])
