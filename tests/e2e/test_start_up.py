"""What a command imports before it answers; time itself is measured by benchmarks/start_up.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
        "study/run.py --help",
        "-m analysis --help",
    ],
)
def test_a_help_text_waits_for_no_slow_library(command: str) -> None:
    found = imported(*command.split())
    assert "tyro" in found
    assert not found & SLOW


def test_the_algorithm_imports_torch_and_nothing_else_that_is_slow() -> None:
    found = imported("-c", "import codim.train, codim.config, codim.datasets")
    assert {"torch", "codim.train", "codim.config"} <= found
    assert not found & (SLOW - {"torch", "numpy", "pydantic"})
    assert "torch._dynamo" not in found


def test_a_dry_run_waits_for_neither_ray_nor_optuna() -> None:
    found = imported("study/run.py", "--space", "search_spaces/digits.yaml", "--dry-run")
    assert {"torch", "study.plan"} <= found
    assert not found & {"ray", "optuna", "matplotlib", "torchvision"}
