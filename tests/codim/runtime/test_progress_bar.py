"""How far a stage is: lines in a log file, a bar on a terminal."""

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from codim.__main__ import main
from codim.runtime import progress_bar
from codim.runtime.progress_bar import Meter, clock, progress


class Log(io.StringIO):
    """A log file that tells when it has got so many lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.left, self.full = lines, threading.Event()

    def write(self, text: str) -> int:
        self.left -= text.count("\n")
        if self.left <= 0:
            self.full.set()
        return super().write(text)


@contextmanager
def logged(lines: int = 3) -> Iterator[Log]:
    """stderr is a log file here (a fixture cannot exchange it, since pytest does so after it)."""
    with pytest.MonkeyPatch.context() as patch:
        log = Log(lines)
        patch.setattr(progress_bar, "LINE_SECONDS", 0.01)
        patch.setattr("sys.stderr", log)
        yield log


def test_a_log_file_gets_lines_while_nothing_returns() -> None:
    """One long call, as an export is: the lines come all the same, and end with it."""
    before = threading.active_count()
    with logged() as log, progress("exporting [red]\x1b"):
        assert log.full.wait(60)
    lines = log.getvalue().splitlines()
    assert len(lines) >= 3
    assert all(re.fullmatch(r"exporting \[red\]\\x1b: \d+ s so far", line) for line in lines)
    assert threading.active_count() == before


def test_lines_tell_what_is_done_and_left() -> None:
    with logged() as log, progress("reading", 2000, "images") as meter:
        meter.advance(500)
        assert log.full.wait(60)
    assert log.getvalue().splitlines()[-1].startswith("reading: 500 of 2,000 images in ")


@pytest.mark.parametrize(
    ("done", "left"), [(0, "?"), (25, "1 h 00 min"), (50, "20 min 00 s"), (100, "0 s"), (120, "0 s")]
)
def test_the_time_left(done: float, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now[0])
    meter = Meter("reading", 100, "images")
    meter.done = lambda: done
    now[0] = 1200.0
    assert meter.line() == f"reading: {min(done, 100):g} of 100 images in 20 min 00 s, {left} left"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (86400, "24 h 00 min")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Log(1)
    monkeypatch.setattr(progress_bar, "Console", lambda **_: Console(file=screen, force_terminal=True, width=80))
    with progress("reading [red]{0}\x1b[2J", 4, "images") as meter:
        meter.advance(4)
    assert "reading [red]{0}\\x1b[2J" in screen.getvalue()
    assert "100%" in screen.getvalue()


def test_a_training_moves_within_its_epochs(few_digits: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within the pre-training, which is one epoch here."""
    (tmp_path / "s.toml").write_text(
        "[network]\nwidth = 4\nprojection_dim = 8\n[pretrain]\nepochs = 1\nbatch_size = 8\n"
        "[warmup]\nepochs = 1\n[train]\nsamples = 600\nbatch_size = 16\n"
    )
    seen: list[float] = []
    line = Meter.line
    monkeypatch.setattr(Meter, "line", lambda meter: seen.append(meter.done()) or line(meter))
    monkeypatch.setattr("sys.argv", ["codim", "--config", str(tmp_path / "s.toml"), "--output", str(tmp_path / "out")])
    with logged() as log:
        assert main() == 0
    assert len({done for done in seen if 0 < done < len(few_digits.images)}) > 1
    assert "after warmup epoch" in log.getvalue()
