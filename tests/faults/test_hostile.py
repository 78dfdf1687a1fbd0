"""Study files that mean harm: one message, status 2, soon, in little memory; nothing is executed or written."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT

DIGITS = (ROOT / "search_spaces" / "digits.yaml").read_text()
SECONDS, MEMORY = 20, 4 << 30
"""Of address space: numpy and pydantic alone take 1 GiB of it."""


def bomb(use: str) -> str:
    """Nine levels of nine aliases each: 3 GB where they are written out."""
    names = "abcdefghij"
    lines = [f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]" for below, name in pairwise(names)]
    return "\n".join([f"a: &a [{', '.join('x' * 9)}]", *lines, use])


def replaced(old: str, new: str) -> str:
    assert old in DIGITS
    return DIGITS.replace(old, new)


HOSTILE = {
    "10 MB of lists": ("[" * 10_000_000, "too large; allowed: 100000 bytes"),
    "lists": ("name: " + "[" * 5_000 + "]" * 5_000, ":1: not a valid study file: nested too deep; allowed: 20 levels"),
    "mappings": ("fixed: " + "{a: " * 20_000, "nested too deep"),
    "indented mappings": ("\n".join(" " * i + "a:" for i in range(400)), ":20: not a valid study file: nested"),
    "a chain of aliases": ("\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000))]),
                           ":19: not a valid study file: nested too deep"),
    "a bomb of aliases": (bomb("name: *j"), "too many entries, aliases written out; allowed: 20000"),
    "an alias in itself": ("fixed: &f\n  me: *f", ":2: not a valid study file: the alias *f stands for nothing"),
    "a tag": (replaced("seed: 0", 'seed: !!python/object/apply:os.system ["touch executed"]'), ":21: not a valid"),
    "a local tag": (replaced("seed: 0", "seed: !env HOME"), ":21: not a valid study file"),
    "a huge number": (replaced("per_condition: 10", f"per_condition: {'9' * 20}"), "less than or equal to 100000"),
    "a huger number": (replaced("per_condition: 10", f"per_condition: 0x{'f' * 9_000}"), ":23: not a valid"),
    "infinitely many trials at a time": (replaced("cpus_per_trial: 1", "cpus_per_trial: 1e-300"), "equal to 0.01"),
    "infinitely many steps": (replaced("high: 0.9", "high: 0.9, step: 1e-300"), "step: 1e-300 is too small"),
    "infinitely many samples": (replaced("fixed:", "fixed:\n  train: {samples: 1000000000000000000000}"),
                                "train/samples: Input should be less than or equal to"),
    "a huge start": (replaced("startup: 3", "startup: 1000000000000"), "less than or equal to 1000"),
    "too many combinations": (
        replaced("space:", "space:\n" + "\n".join(
            f"  {path}: {{type: categorical, choices: [{', '.join(map(str, range(1, 51)))}]}}"
            for path in ("pretrain/epochs", "warmup/epochs", "mixmatch/rampup_epochs"))),
        "too many values to check together; allowed: 4096 combinations"),
    "a folder outside": (replaced("name: digits\nfixed", "name: ../../outside\nfixed"), ":2: name: String should"),
    "a condition outside": (replaced("rate: 0.2", "rate: 0.2, id: ../../outside"), "allowed: 1 to 40 letters"),
    "no text": ("name: a\0b", "unacceptable character"),
}  # fmt: skip


READ = """
import contextlib, io, json, resource, sys, time
from itertools import pairwise
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
from study.run import Arguments, main
for path in sys.argv[1:]:
    started, told = time.monotonic(), io.StringIO()
    with contextlib.redirect_stderr(told):
        status = main(Arguments(Path(path), Path("results")))
    print(json.dumps([path, status, told.getvalue(), time.monotonic() - started]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "in"
    folder.mkdir()
    for name, (text, _) in HOSTILE.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, Any]:
    """File -> status, what was told, seconds; all from one process, whose memory is limited."""
    files = [*map(str, sorted(folder.iterdir())), "/dev/zero"]
    command = [sys.executable, "-c", READ.format(memory=MEMORY), *files]
    paths = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | paths)
    assert done.returncode == 0, done.stderr[-2000:]
    return {path: rest for path, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused(name: str, folder: Path, answers: dict[str, Any]) -> None:
    file = folder / f"{name}.yaml"
    status, told, seconds = answers[str(file)]
    assert status == 2
    assert told.startswith(f"error: {file}:")
    assert HOSTILE[name][1] in told
    assert told.count("\n") == 1
    assert len(told) < 1000
    assert seconds < SECONDS


def test_a_file_without_end(answers: dict[str, Any]) -> None:
    assert answers["/dev/zero"][:2] == [2, "error: /dev/zero: the study file is too large; allowed: 100000 bytes\n"]


@pytest.mark.usefixtures("answers")
def test_nothing_is_executed_or_written(folder: Path) -> None:
    assert {path.name for path in folder.parent.rglob("*")} == {"in", *(f"{name}.yaml" for name in HOSTILE)}
