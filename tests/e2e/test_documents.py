"""What README and documentation tell people to type does what they say: every block is run, in small.

The blocks of a page run in order, in one folder, as a reader would: settings and study files are written under their
titles, then commands and Python use them. Data and budgets are made small; a study, which takes minutes, is run by its
--dry-run (test_commands.py runs one). `<!-- not run: why -->` stands before a block that cannot run here: of its
commands the flags are checked, against our own parsers or against the --help of the program.
"""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML
from sklearn.datasets import load_digits

import codim.__main__
from analysis.__main__ import COMMANDS as REPORT_COMMANDS
from analysis.__main__ import main as report
from analysis.commands.arguments import ReportArguments
from analysis.figures.catalogue import FIGURES
from codim import estimator
from codim.commands import prepare
from codim.commands.arguments import TrainArguments
from codim.config.train_config import TrainConfig, merge, train_config
from codim.data.counts import with_counts
from codim.text.command_line import parsed
from study import run
from study.dimensions.types import DIMENSION_TYPES
from tests.conftest import TINY
from tests.support import ROOT
from tests.support.registries import restored

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BESIDE = [ROOT / name for name in ("CONTRIBUTING.md", "analysis/example/README.md", "benchmarks/README.md")]
"""Further pages, whose commands are only parsed: they measure for hours, or stand in the others too."""
SMALL = {key: value for key, value in TINY.items() if key not in ("data", "noise", "augment")}
MOST_WORDS = 900
"""Most words of the README."""
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+) -->\n)?^```(?P<kind>\w*)[^\S\n]*(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    kind: str
    title: str
    """Name of the file that the block is; empty for commands."""
    text: str
    not_run: str
    """Why it is not run; empty if it is."""


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    titles = re.compile(r'title="([^"]+)"')
    return [
        Block(own["kind"], ((t := titles.search(own["info"])) and t[1]) or "", own["text"], own["why"] or "")
        for own in found
    ]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block, without comments and assignments; paths of the environment are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] != "export" and "=" not in words[0]:
            yield [words[0].rpartition("/")[2], *words[1:]]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_digits: object) -> Iterator[Path]:
    """A reader's folder: the example as results of a study, photos, a table of labels; small data and budgets."""
    for name in ("digits", "small"):
        shutil.copytree(ROOT / "analysis" / "example", tmp_path / "results" / name)
    images, labels = digits()
    for i, (image, label) in enumerate(zip(images[:120], labels[:120] % 3, strict=True)):
        for folder in ("photos", "new_photos"):
            path = tmp_path / folder / f"class{label}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    rows = [f"photos/class{label}/{i}.png,class{label}" for i, label in enumerate(labels[:120] % 3)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    np.savez(tmp_path / "embeddings.npz", embeddings=images[:240].reshape(240, -1), labels=labels[:240])
    (tmp_path / "resnet50.pth").touch()
    (tmp_path / "cluster").symlink_to(ROOT / "cluster")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODIM_DATA", str(tmp_path))
    few = {name: FIGURES[name] for name in ("methods", "best_values")}
    monkeypatch.setattr("analysis.figures.render.FIGURES", few)
    small(monkeypatch)
    with restored():
        yield tmp_path


def digits() -> tuple[Any, Any]:
    found = load_digits()
    return (found.images * 15).astype(np.uint8), found.target


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings, from the command line and from Python, that take a fraction of a second; their settings are read and
    checked as they are before."""

    def shrunk(settings: Any) -> TrainConfig:
        config = train_config(settings)
        pretrain = SMALL["pretrain"] if config.pretrain.epochs else {}
        over = {**SMALL, "pretrain": pretrain, "mixmatch": {"rampup_epochs": 1}}
        return TrainConfig.model_validate(merge(config.model_dump(), over))

    for module in (prepare, estimator):
        monkeypatch.setattr(module, "train_config", shrunk)


def run_codim(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["codim", *words])
    status = codim.__main__.main()
    if words[0] == "audit" and "--corrections" not in words:
        answer_as_a_reader_would(Path(words[words.index("--checkpoint") + 1]))
    return status


def answer_as_a_reader_would(folder: Path) -> None:
    """Save corrections as the page does: the first suggestion is right."""
    with (folder / "label_audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:1]
    lines = [f"{row['index']},{row['file']},{row['given_label']},{row['suggested_label']}" for row in rows]
    Path("corrections.csv").write_text("\n".join(["index,file,given_label,label", *lines, ""]))


def run_study(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    results = [] if "--results" in words else ["--results", "new"]  # those of the example are of another file
    monkeypatch.setattr(sys, "argv", ["codim-study", *words, *results, *({"--dry-run"} - {*words})])
    return run.console()


def run_make(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    return subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, check=False).returncode


def run_pip(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Whether there are such extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (asked,) = [word for word in words if word.startswith(".")]
    extras = asked.removeprefix(".").strip("[]").split(",")
    return int(
        words[0] != "install" or not {name for name in extras if name} <= project["optional-dependencies"].keys()
    )


def run_report(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["codim-report", *words])
    return report(words)


RUN: dict[str, Callable[[list[str], pytest.MonkeyPatch], int]] = {
    "codim": run_codim,
    "codim-study": run_study,
    "codim-report": run_report,
    "make": run_make,
    "pip": run_pip,
}


OWN: dict[str, tuple[Any, Any]] = {
    "codim": (codim.__main__.COMMANDS, TrainArguments),
    "codim-study": ({}, run.Arguments),
    "codim-report": (REPORT_COMMANDS, ReportArguments),
}


def require_known_flags(words: list[str]) -> None:
    """A command that is not run is one that our parser takes, or its flags stand in the help text of its program; one
    that is not installed is passed over."""
    program, subcommand = words[0], [word for word in words[1:2] if re.fullmatch(r"[a-z][a-z-]*", word)]
    if program in OWN:
        commands, plain = OWN[program]
        flags = commands[subcommand[0]][0] if subcommand and subcommand[0] in commands else plain
        parsed(flags, program, words[2:] if flags is not plain else words[1:])
        return
    if "codim" in words:  # torchrun starts it
        require_known_flags(words[words.index("codim") :])
        words = words[: words.index("codim")]
    path = Path(sys.executable).with_name(program)
    if path.exists():
        done = subprocess.run([path, *subcommand, "--help"], capture_output=True, text=True, check=False)
        known = set(re.findall(r"--[\w.-]+", done.stdout + done.stderr))
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, words


def write_settings(block: Block, folder: Path) -> None:
    (folder / block.title).write_text(block.text)
    train_config(with_counts(json.loads(block.text), gpu=False))


def write_study(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / block.title).write_text(block.text)
    assert run_study(["--space", block.title], monkeypatch) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_a_page_runs(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = digits()
    known: dict[str, Any] = {"images": images[:240], "labels": labels[:240], "others": images[240:250]}
    known |= {"embeddings": images[:240].reshape(240, -1), "more_embeddings": images[240:250].reshape(10, -1)}
    for block in blocks(page):
        assert block.kind in ("sh", "python", "json", "yaml", "text"), f"{block.kind}: a kind that no test runs"
        if block.kind == "python":
            exec(block.text, known)
        elif block.kind == "json":
            write_settings(block, desk)
        elif block.kind == "yaml":
            write_study(block, desk, monkeypatch)
        elif block.kind == "sh":
            for words in commands(block.text):
                if block.not_run:
                    require_known_flags(words)
                else:
                    assert RUN[words[0]](words[1:], monkeypatch) == 0, words


@pytest.mark.parametrize("page", BESIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_other_pages_have_the_flags_that_they_use(page: Path) -> None:
    for block in blocks(page):
        for words in commands(block.text) if block.kind == "sh" else ():
            if words[0] == "make":
                targets = [word for word in words[1:] if "=" not in word]
                assert (
                    subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, check=False).returncode == 0
                )
            elif words[0] == "python":
                assert (ROOT / words[1]).exists(), words
            else:
                require_known_flags(words)


def test_the_dimensions_of_the_study_files_readme() -> None:
    (block,) = [own for own in blocks(ROOT / "search_spaces" / "README.md") if own.kind == "yaml"]
    for settings in YAML(typ="safe", pure=True).load(block.text).values():
        DIMENSION_TYPES[settings["type"]].model_validate(settings)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= MOST_WORDS
