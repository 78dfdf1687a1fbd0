"""How far a stage is: a bar on a terminal; in a log file a line after a few seconds, then one every LINE_SECONDS."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from codim.text.safe_text import printable

LINE_SECONDS = 15.0
"""Between two lines where there is no terminal."""
FIRST_SECONDS = 3.0
"""Before the first of them; what is done by then says nothing."""
FRAME_SECONDS = 0.2
"""Between two looks at what is done, on a terminal."""


class Meter:
    """How far one stage is, as the stage itself counts it."""

    def __init__(self, description: str, total: float | None, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done: Callable[[], float] = lambda: self._advanced
        """Read by another thread; by default what `advance` adds up to."""
        self._advanced = 0.0
        self._started = time.monotonic()

    def advance(self, count: float = 1) -> None:
        self._advanced += count

    def line(self) -> str:
        """How far it is, for a log file."""
        elapsed = time.monotonic() - self._started
        if not self.total:
            return f"{printable(self.description)}: {clock(elapsed)} so far"
        done = min(self.done(), self.total)
        left = clock(elapsed / done * (self.total - done)) if done else "?"
        counts = f"{done:,.0f} of {self.total:,.0f} {self.unit}"
        return f"{printable(self.description)}: {counts} in {clock(elapsed)}, {left} left"


@contextmanager
def progress(description: str, total: float | None = None, unit: str = "") -> Iterator[Meter]:
    """Show on stderr how far the stage in this context is. Without a total only the time that it takes is shown."""
    meter = Meter(description, total, unit)
    console = Console(stderr=True)
    ended = threading.Event()
    shown = _bar if console.is_terminal else _lines
    thread = threading.Thread(target=shown, args=(meter, ended, console), daemon=True)
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
    """A duration with its units, in the two that tell most: 1 h 04 min, 12 min 05 s, 7 s."""
    seconds = round(seconds)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
