"""What a command imports before it answers; time itself is measured by benchmarks/start_up.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

SLOW = {
    "torch",
    "torchvision",
    "ray",
    "optuna",
    "numpy",
    "scipy",
    "sklearn",
    "pandas",
    "pyarrow",
    "matplotlib",
    "pydantic",
}


def imported(*arguments: str) -> set[str]:
    """The modules that a fresh Python imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "command",
    [
        "-m codim --help",
        "-m codim predict --help",
        "-m codim audit --help",
        "-m codim export --help",
        "-m codim embed --help",
        "study/run.py --help",
        "-m analysis --help",
        "-m analysis export --help",
    ],
)
def test_a_help_text_waits_for_no_slow_library(command: str) -> None:
    found = imported(*command.split())
    assert "tyro" in found
    assert not found & SLOW


def test_the_algorithm_imports_torch_and_nothing_else_that_is_slow() -> None:
    found = imported("-c", "import codim.training.loop, codim.config.train_config, codim.data.load")
    assert {"torch", "codim.training.loop", "codim.config.train_config"} <= found
    assert not found & (SLOW - {"torch", "numpy", "pydantic"})
    assert "torch._dynamo" not in found


def test_a_dry_run_does_not_wait_for_ray() -> None:
    found = imported("study/run.py", "--space", "search_spaces/digits.yaml", "--dry-run")
    assert {"torch", "study.plan.plan"} <= found
    assert not found & {"ray", "matplotlib", "torchvision"}


WITHOUT_TORCH = """
import runpy, sys
from importlib.machinery import ModuleSpec

class Refuse:
    def find_spec(self, name, path, target=None):
        return ModuleSpec(name, self) if name in ("torch", "optuna") else None

    def create_module(self, spec):
        raise ImportError(f"{spec.name} is refused")

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Refuse())
path, *_ = sys.argv = sys.argv[1:]
if path.endswith(".py"):
    runpy.run_path(path, run_name="__main__")
else:
    runpy.run_module(path, run_name="__main__", alter_sys=True)
"""


def without_torch(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_dry_run_tells_the_plan_before_it_imports_torch() -> None:
    done = without_torch("study/run.py", "--space", "search_spaces/digits.yaml", "--dry-run")
    plan, _, error = done.stderr.partition("Traceback")
    assert "torch is refused" in error
    told = [line.split(":")[0] for line in plan.splitlines()]
    assert told == [
        "study digits",
        "confirmation",
        "budget",
        "conditions",
        "baselines",
        *["space"] * 4,
        "shared pre-training",
        "shared warm-up",
    ]
    assert "56 trials = 4 conditions x (4 baselines + 10 searched)" in plan
    assert "x 3 seeds (288 with up to 12 where these vary)" in plan
    assert "budget: 60000 samples" in plan
    assert "conditions: symmetric-0.2, symmetric-0.5, symmetric-0.8, asymmetric-0.4" in plan


@pytest.mark.parametrize(
    ("found", "fault", "told"),
    [
        ("mixmatch/lambda_u", "mixmatch/lambda", "mixmatch/lambda: unknown setting; allowed: lambda_u"),
        ("high: 0.9", "high: 1.9", "less than or equal to 1 (found 1.9)"),
        ("map: digits", "map: next", "needs 100 classes, the data have 10"),
        ("pruner: {kind: none}", "pruner: {min_budget: 3}", "min_budget: 3 is too small"),
        ("val_fraction: 0.25", "val_fraction: 0", "holds out no image"),
        ("val_fraction: 0.25", "subset: 2000", "data/subset: 2000 images, the training part has 1347"),
        ("method: dividemix", "method: dividemix, train: {samples: 9}", "train/samples: 9 is too small: warm-up ends"),
    ],
)
def test_a_fault_of_the_study_file_is_told_without_torch(tmp_path: Path, found: str, fault: str, told: str) -> None:
    text = (ROOT / "search_spaces" / "digits.yaml").read_text()
    assert found in text
    file = tmp_path / "faulty.yaml"
    file.write_text(text.replace(found, fault))
    done = without_torch("study/run.py", "--space", file, "--results", tmp_path / "results")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {file}:")
    assert told in done.stderr
    assert not (tmp_path / "results").exists()


def test_study_files_are_checked_without_torch() -> None:
    files = sorted((ROOT / "search_spaces").glob("*.yaml"))
    done = without_torch("study.check", *files)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files)
