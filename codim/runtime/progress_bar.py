"""Progress of a stage: a bar on a terminal; in a log file a line after a few seconds, then one every LINE_SECONDS."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from codim.text.safe_text import printable

LINE_SECONDS = 15.0
"""Seconds between two lines if there is no terminal."""
FIRST_SECONDS = 3.0
"""Seconds before the first line; progress before that says nothing."""
FRAME_SECONDS = 0.2
"""Seconds between two updates of the bar on a terminal."""


class Meter:
    """Progress of one stage, in the stage's own unit."""

    def __init__(self, description: str, total: float | None, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done: Callable[[], float] = lambda: self._advanced
        """Amount done, read by another thread; by default the sum of all `advance` calls."""
        self._advanced = 0.0
        self._started = time.monotonic()

    def advance(self, count: float = 1) -> None:
        self._advanced += count

    def line(self) -> str:
        """Format the progress as a line of a log file."""
        elapsed = time.monotonic() - self._started
        if not self.total:
            return f"{printable(self.description)}: {clock(elapsed)} so far"
        done = min(self.done(), self.total)
        left = clock(elapsed / done * (self.total - done)) if done else "?"
        counts = f"{done:,.0f} of {self.total:,.0f} {self.unit}"
        return f"{printable(self.description)}: {counts} in {clock(elapsed)}, {left} left"


@contextmanager
def progress(description: str, total: float | None = None, unit: str = "", shown: bool = True) -> Iterator[Meter]:
    """Show on stderr the progress of the stage in this context. Without a total, only its elapsed time is shown.

    Args:
        shown: False: show nothing, for programs that train many times.
    """
    meter = Meter(description, total, unit)
    if not shown:
        yield meter
        return
    console = Console(stderr=True)
    ended = threading.Event()
    show = _bar if console.is_terminal else _lines
    thread = threading.Thread(target=show, args=(meter, ended, console), daemon=True)
    thread.start()
    try:
        yield meter
    finally:
        ended.set()
        thread.join()


def _lines(meter: Meter, ended: threading.Event, console: Console) -> None:
    wait = min(FIRST_SECONDS, LINE_SECONDS)
    while not ended.wait(wait):
        print(meter.line(), file=sys.stderr, flush=True)
        wait = LINE_SECONDS


def _bar(meter: Meter, ended: threading.Event, console: Console) -> None:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(show_speed=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=meter.total)
        over = False
        while not over:
            over = ended.wait(FRAME_SECONDS)
            bar.update(task, completed=meter.done(), description=printable(meter.description))


def clock(seconds: float) -> str:
    """Format a duration in its two largest units: 1 h 04 min, 12 min 05 s, 7 s."""
    seconds = round(seconds)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
