"""The console commands: names in their messages, the packages that they run, and what the base installation lacks."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from codim.extras import EXTRAS, require_extra
from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WRAPPER = "import sys; from {module} import {function}; sys.exit({function}())"
"""Script that an installer writes for a console command."""


def called(
    name: str, *arguments: str, folder: Path, path: Path = ROOT, within: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Call a console command, installed into `folder`, there or `within` another folder. `path`: first entry of
    PYTHONPATH."""
    module, _, function = PROJECT["scripts"][name].partition(":")
    script = folder / name
    script.write_text(WRAPPER.format(module=module, function=function))
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(path), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(
        command, cwd=within or folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("name", PROJECT["scripts"])
def test_each_command_tells_its_name_and_version(name: str, tmp_path: Path) -> None:
    told = called(name, "--help", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert f"usage: {name} " in told.stdout
    assert "--version prints the version." in told.stdout
    assert not [line for line in told.stdout.splitlines() if "python -m" in line or "run.py" in line]
    told = called(name, "--version", folder=tmp_path)
    assert (told.returncode, told.stdout) == (0, f"codim-study {version('codim-study')}\n")


@pytest.mark.parametrize(
    ("name", "arguments", "start"),
    [
        ("codim", ["--data", "svhn"], "codim: --data: 'svhn' is unknown"),
        ("codim", ["predict", "--checkpoint", "none", "--images", "none"], "codim predict: --images: none"),
        ("codim-report", ["none"], "codim-report: none is not a folder"),
        ("codim-report", ["recommend", "--study", "none"], "codim-report recommend: give --noise-rate"),
        ("codim-study", ["--space", "none.yaml"], "error: none.yaml"),
    ],
)
def test_bad_input_is_told_under_the_name_of_the_command(
    name: str, arguments: list[str], start: str, tmp_path: Path
) -> None:
    told = called(name, *arguments, folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_study_file_is_found_by_its_name(tmp_path: Path) -> None:
    told = called("codim-study", "--space", "digit", folder=tmp_path)
    assert told.returncode == 2
    names = ", ".join(sorted(path.stem for path in (ROOT / "search_spaces").glob("*.yaml")))
    assert told.stderr == (
        f"error: digit: there is no study of this name; allowed: {names}, or the path of a study file\n"
    )
    told = called("codim-study", "--space", "digits", "--set", "pruner/kind=none of these", folder=tmp_path)
    assert told.returncode == 2
    assert "none of these" in told.stderr
    (tmp_path / "digits").write_text("name: [")
    told = called("codim-study", "--space", "digits", folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.startswith("error: digits:1: ")


@pytest.mark.parametrize(
    ("name", "package"), [("codim-study", "study"), ("codim-report", "study"), ("codim-report", "analysis")]
)
def test_another_package_of_the_same_name_is_told(name: str, package: str, tmp_path: Path) -> None:
    """Whether it is a module, a package, or a folder with modules."""
    other = tmp_path / "other"
    (other / package).mkdir(parents=True)
    (other / package / "__init__.py").write_text("raise AssertionError('imported')")
    told = called(name, "--help", folder=tmp_path, path=other)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith(f"{name}: Python finds another package `{package}` first: {other / package}; ")
    assert f"that of this project is {ROOT / package}" in told.stderr
    (other / package / "__init__.py").unlink()
    (other / package).rmdir()
    (other / f"{package}.py").write_text("raise AssertionError('imported')")
    told = called(name, "--help", folder=tmp_path, path=other)
    assert (told.returncode, told.stdout) == (2, "")
    assert f"first: {other / package}.py; " in told.stderr


@pytest.mark.parametrize("package", ["codim", "study"])
def test_a_module_in_the_working_folder_is_told(package: str, tmp_path: Path) -> None:
    """Ray's workers would import it. A folder without `__init__.py` is no such module."""
    here = tmp_path / "here"
    (here / package).mkdir(parents=True)
    assert called("codim-study", "--help", folder=tmp_path, within=here).returncode == 0
    (here / f"{package}.py").write_text("raise AssertionError('imported')")
    told = called("codim-study", "--help", folder=tmp_path, within=here)
    assert (told.returncode, told.stdout) == (2, "")
    assert f"another package `{package}` first: {here / package}.py; " in told.stderr


HIDE = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {hidden!r} else real(name)
"""
"""Make a library look missing, in a process that starts with this as its sitecustomize."""


@pytest.mark.parametrize(
    ("hidden", "name", "arguments", "told"),
    [
        (
            "ray",
            "codim-study",
            ["--space", "digits"],
            "error: codim-study needs libraries that are not installed, ray; pip install 'codim-study[study]'\n",
        ),
        (
            "matplotlib",
            "codim-report",
            ["none"],
            "codim-report: the analysis of a study needs libraries that are not installed, matplotlib; "
            "pip install 'codim-study[report]'\n",
        ),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(
    hidden: str, name: str, arguments: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE.format(hidden=hidden))
    found = called(name, *arguments, folder=tmp_path, path=tmp_path)
    assert (found.returncode, found.stderr) == (2, told)


def test_the_extras_are_those_of_the_package() -> None:
    """Each module belongs to a library that the extra asks for, beyond the base installation."""
    extras = {name: " ".join(wanted) for name, wanted in PROJECT["optional-dependencies"].items()}
    extras["study"] += extras["report"]
    base = " ".join(PROJECT["dependencies"])
    for extra, modules in EXTRAS.items():
        for module in modules:
            assert module in extras[extra]
            assert module not in base
        require_extra(extra, "this test")
