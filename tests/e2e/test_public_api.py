"""The public names of the packages: none is lost or changed unseen, each is explained by an example, and none is
imported before it is used."""

import ast
import doctest
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import analysis
import codim
import study
from tests.support import ROOT

PACKAGES = (codim, study, analysis)
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]
CONSTANTS = ("METHODS", "NOISE_KINDS", "__version__")
IMPORT_SECONDS = 0.2


def signature(function: Any) -> str:
    """Arguments and result as they are written in the source, whatever the versions of Python and numpy."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef)
    return f"({ast.unparse(node.args)}) -> {ast.unparse(node.returns) if node.returns else None}"


def lines(name: str, value: Any) -> Iterator[str]:
    """One line for a function or a table, one for each public attribute of a class."""
    if isinstance(value, str):
        yield name
    elif isinstance(value, dict):
        yield f"{name}: {', '.join(value)}"
    elif inspect.isclass(value):
        for attribute, found in vars(value).items():
            if isinstance(found, property):
                yield f"{name}.{attribute}: {signature(found.fget).rpartition(' -> ')[2]}"
            elif inspect.isfunction(function := getattr(found, "__func__", found)) and (
                attribute == "__init__" or not attribute.startswith("_")
            ):  # scikit-learn adds methods that are no functions
                yield f"{name}.{attribute}{signature(function)}"
    else:
        yield f"{name}{signature(value)}"


def test_names_and_signatures_are_those_of_the_last_change_that_was_meant() -> None:
    """A change of public_api.txt is a change for users: CONTRIBUTING.md says how one is made."""
    found = [line for package, name in NAMES for line in lines(f"{package.__name__}.{name}", getattr(package, name))]
    known = (ROOT / "tests" / "e2e" / "public_api.txt").read_text(encoding="utf-8").splitlines()
    assert found == known


@pytest.mark.parametrize(("package", "name"), NAMES, ids=lambda value: getattr(value, "__name__", value))
def test_each_name_has_an_example(package: ModuleType, name: str) -> None:
    """tests/e2e/test_examples.py runs them."""
    of_package = doctest.DocTestParser().get_examples(package.__doc__ or "")
    if name in CONSTANTS:
        assert any(f"{package.__name__}.{name}" in example.source for example in of_package)
    else:
        text = inspect.getdoc(getattr(package, name)) or ""
        assert any(name in example.source for example in doctest.DocTestParser().get_examples(text))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_names_are_offered(package: ModuleType) -> None:
    assert set(package.__all__) <= set(dir(package))


def test_an_import_is_quick_and_imports_nothing_slow() -> None:
    code = (
        "import sys, time; before, begun = {*sys.modules}, time.perf_counter(); import codim; "
        "print(time.perf_counter() - begun); import study, analysis; print(*({*sys.modules} - before))"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    ]
    seconds, modules = zip(*(text.splitlines() for text in told), strict=True)
    assert min(map(float, seconds)) < IMPORT_SECONDS
    imported = {name.partition(".")[0] for name in modules[0].split()}
    assert imported - set(sys.stdlib_module_names) == {"codim", "study", "analysis"}
