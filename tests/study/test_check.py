"""The study files of search_spaces/ are sound, with or without their data; a fault in one is found."""

from pathlib import Path

import pytest

from study.check import Arguments, main
from tests.support import ROOT

FILES = sorted((ROOT / "search_spaces").glob("*.yaml"))


def test_every_study_file_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.stem for path in FILES} >= {
        "digits",
        "mnist",
        "fashion_mnist",
        "cifar10",
        "cifar100",
        "cifar10n",
        "cifar100n",
        "webvision",
        "clothing1m",
        "embeddings",
    }
    assert main(Arguments(tuple(FILES))) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FILES)


def test_a_file_of_the_package_is_found_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Arguments((Path("mnist"), Path("digit")))) == 2
    told = capsys.readouterr()
    assert told.out.startswith("mnist: ")
    assert told.err.startswith("error: digit: there is no study of this name; allowed: cifar10, ")


@pytest.mark.parametrize(
    ("found", "fault", "message"),
    [
        ("map: superclass-next", "map: cifar10", "needs 10 classes, the data have 100"),
        ("min_budget: 13_000_000", "min_budget: 11_000_000", "min_budget: 11000000 is too small"),
        ("mixmatch/lambda_u", "mixmatch/lambda", "mixmatch/lambda: unknown setting"),
    ],
)
def test_a_fault_is_found_and_placed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], found: str, fault: str, message: str
) -> None:
    text = next(path for path in FILES if path.stem == "cifar100").read_text()
    assert found in text
    (tmp_path / "cifar100.yaml").write_text(text.replace(found, fault))
    assert main(Arguments((*FILES, tmp_path / "cifar100.yaml"))) == 2
    error = capsys.readouterr().err
    assert message in error
    assert f"{tmp_path / 'cifar100.yaml'}:" in error


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("key: 5", "key: Input should be a valid string (found 5)"),
        ("keys: worse_label", "keys: unknown setting; allowed: kind, path, key"),
        ("key: worse_label, path: [a.pt]", "path: "),
        ("key: worse_label, path: labels.txt", "suffix must be one of"),
    ],
)
def test_a_condition_of_a_label_file_is_checked_without_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, message: str
) -> None:
    text = next(path for path in FILES if path.stem == "cifar10n").read_text()
    entry = "{id: worst, kind: file, path: ../data/CIFAR-10_human.pt, key: worse_label}"
    assert entry in text
    path = "" if "path" in fault else ", path: gone.pt"
    (tmp_path / "faulty.yaml").write_text(text.replace(entry, f"{{id: worst, kind: file{path}, {fault}}}"))
    assert main(Arguments((tmp_path / "faulty.yaml",))) == 2
    error = capsys.readouterr().err
    assert "conditions -> 4 -> " in error or "conditions -> 4: " in error
    assert message in error


def test_a_condition_of_a_label_file_needs_no_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = next(path for path in FILES if path.stem == "cifar10n").read_text()
    (tmp_path / "nameless.yaml").write_text(text.replace("id: worst, ", ""))
    assert main(Arguments((tmp_path / "nameless.yaml",))) == 0
    assert "file-CIFAR-10_human-worse_label" in capsys.readouterr().out
