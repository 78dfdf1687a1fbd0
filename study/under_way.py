"""A step that takes a while says so, and how long it has taken."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

LINE_SECONDS = 15.0
"""Between two lines about what is under way."""


@contextmanager
def told(say: Callable[[str], None], what: str, how_far: Callable[[], str] = str) -> Iterator[None]:
    """Say at once what the context does, and every LINE_SECONDS that it still does, and how far it is."""
    over, begun = Event(), time.monotonic()
    say(f"{what} ...")

    def repeat() -> None:
        while not over.wait(LINE_SECONDS):
            say(f"{what}: {clock(time.monotonic() - begun)} so far{how_far()}")

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def clock(seconds: float) -> str:
    """A duration with its units, in the two that tell most: 1 h 04 min, 12 min 05 s, 7 s."""
    seconds = round(seconds)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
