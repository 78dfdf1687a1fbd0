"""The examples in docstrings and in the README do as they say."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import codim
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


def test_the_python_of_the_readme(tmp_path: Path) -> None:
    train, estimator, study = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)
    known = {"images": images[:300], "labels": digits.target[:300], "others": images[300:310]}
    exec(train.replace("minutes=5", "minutes=0.3").replace("results/mine", str(tmp_path / "mine")), known)
    assert (tmp_path / "mine" / "checkpoint.pt").exists()
    vectors = digits.data[:300]
    model = {"method": "dividemix", "settings": {"train": {"samples": 3_000}}}
    own = {"codim": codim, "embeddings": vectors, "labels": digits.target[:300], "others": vectors[:10], "short": model}
    exec(estimator.replace('method="dividemix"', "**short"), own)
    exec(study.replace("results/digits", str(ROOT / "analysis" / "example")), {})
