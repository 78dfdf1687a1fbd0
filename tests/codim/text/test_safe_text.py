"""Names of others in every output of codim: none steers a terminal, breaks a line, or starts a formula."""

import csv
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codim.__main__ import main
from codim.data.own_files import folder_images
from codim.text.safe_text import HIDDEN, cell, message, printable

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "two\nlines\rback",
    "\u202egnp.exe",
    "[red]loud[/red] [link=x]",
    "<script>alert(1)</script>",
    "{0} {task} %s",
    "\u2028\x85\u2066",
    "=HYPERLINK(1)",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\udce9t\udce9",
]
"""The names of files hold ∕ in the place of /."""


@given(st.text(st.characters(codec=None)))
def test_whatever_is_shown_is_one_harmless_line(text: str) -> None:
    assert not HIDDEN.search(printable(text))
    assert len(printable(text).splitlines()) <= 1
    printable(text).encode("utf-8")
    assert message(text).count("\n") == text.count("\n")


@pytest.mark.parametrize("name", ["café", "学习", "می‌خواهم", "a b", "👩‍🔬", "C:\\x", "ｆｕｌｌ"])
def test_letters_of_any_language_stay(name: str) -> None:
    assert printable(name) == name == cell(name)


@pytest.mark.parametrize("text", ["-1", "+2", "-0.5", "-1,5", "a=b", "1-2"])
def test_numbers_and_words_are_no_formulas(text: str) -> None:
    assert cell(text) == text


@pytest.mark.parametrize("text", ["=1", "+a", "-a", "@a", "-1-1", "＝1"])
def test_formulas_are_quoted(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_bytes_that_are_no_letters_and_letters_that_the_locale_lacks() -> None:
    assert printable("\udce9") == "\\xe9"
    assert printable("\udcc3\udca4") == "ä"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Classes of hostile names, each with images of hostile names and one that is none."""
    names = [name.replace("/", "∕") for name in HOSTILE]
    for k, name in enumerate(names):
        folder = tmp_path / "photos" / f"{k:02}{name}"
        folder.mkdir(parents=True)
        for i, file in enumerate(names[:4]):
            Image.new("RGB", (8, 8), (20 * k, 60 * i, 99)).save(folder / f"{file}.png")
        (folder / "broken\x1b.png").write_text("none")
        (folder / "x.\x1b[2Jheic").touch()
    return tmp_path / "photos"


def call(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["codim", *map(str, arguments)])
    return main()


SETTINGS = """{"method": "ce", "data": {"name": "folder", "root": "photos", "cache_size": 8, "val_fraction": 0},
 "network": {"name": "small_cnn", "width": 4}, "augment": {"size": 8, "crop_padding": 1},
 "train": {"samples": 60, "batch_size": 8, "device": "cpu"}}"""


def test_no_command_shows_a_hostile_name_as_it_is(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = photos.parent
    monkeypatch.chdir(root)
    caplog.set_level("INFO", "codim")
    (root / "settings.json").write_text(SETTINGS)
    assert call(monkeypatch, "--config", "settings.json", "--output", "out") == 2
    assert "11 of 55 images are unreadable" in capfd.readouterr().err
    for path in photos.rglob("broken*"):
        path.unlink()
    assert call(monkeypatch, "--config", "settings.json", "--output", "out") == 0
    for i, folder in enumerate(photos.iterdir()):
        (folder / f"broken{HOSTILE[i].replace('/', '∕')}.png").write_text("none")
    assert call(monkeypatch, "predict", "--checkpoint", "out", "--images", "photos", "--output", "p.csv") == 1
    for path in photos.rglob("broken*"):
        path.unlink()
    assert call(monkeypatch, "audit", "--checkpoint", "out") == 0
    said = capfd.readouterr()
    for text in (said.out, said.err, *(record.getMessage() for record in caplog.records)):
        assert not HIDDEN.search(text.replace("\n", ""))
    assert "[red]loud[∕red]" in said.err + caplog.text
    for name in ("p.csv", "out/label_audit.csv"):
        with (root / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len(rows) > 10
        assert all(text == cell(text) or text.startswith("'") for row in rows for text in row)
        assert not any(HIDDEN.search(text) for row in rows for text in row)
    page = (root / "out" / "label_audit.html").read_text(encoding="utf-8")
    assert not HIDDEN.search(page.replace("\n", ""))
    assert "<script>alert" not in page


def test_names_are_whole_in_a_checkpoint(photos: Path) -> None:
    """Only what is shown is escaped; and bytes that are no letters have a spelling."""
    found = folder_images(photos).classes
    assert found[1] == "01two\nlines\rback"
    assert found[10] == "10\\xe9t\\xe9"
