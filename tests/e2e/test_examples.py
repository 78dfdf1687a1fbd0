"""The examples in docstrings do as they say."""

import doctest
from importlib import import_module

import pytest

from tests.support import ROOT
from tests.support.registries import restored

FILES = [path for package in ("codim", "study", "analysis") for path in sorted((ROOT / package).rglob("*.py"))]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in FILES
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str) -> None:
    with restored():
        found = doctest.testmod(import_module(module))
    assert found.attempted > 0
    assert found.failed == 0
