"""The names that packages offer: each is there, and none is imported before it is used."""

import ast
import subprocess
import sys
from importlib import import_module

import pytest

from tests.support import ROOT

OFFERED = {
    ".".join(path.parent.relative_to(ROOT).parts): [keyword.arg for keyword in node.value.keywords]
    for package in ("codim", "study", "analysis")
    for path in sorted((ROOT / package).rglob("__init__.py"))
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "lazily"
}


@pytest.mark.parametrize("package", list(OFFERED))
def test_each_name_is_there(package: str) -> None:
    for name in OFFERED[package]:
        assert name
        assert getattr(import_module(package), name).__class__
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'other'"):
        _ = import_module(package).other


def test_packages_import_nothing_slow() -> None:
    code = f"import sys, {', '.join(OFFERED)}; print(*{{'torch', 'ray', 'optuna', 'pandas'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
