"""The study files of search_spaces/ are sound, with or without their data; a fault in one is found."""

from pathlib import Path

import pytest

from study.check import Arguments, main

FILES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))


def test_every_study_file_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.stem for path in FILES} >= {
        "digits",
        "cifar10",
        "cifar100",
        "cifar10n",
        "cifar100n",
        "webvision",
        "clothing1m",
    }
    assert main(Arguments(tuple(FILES))) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FILES)


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
