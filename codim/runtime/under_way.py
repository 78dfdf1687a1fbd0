"""A step that takes a while says so, and how long it has taken."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from codim.runtime.progress_bar import LINE_SECONDS, clock


@contextmanager
def told(say: Callable[[str], None], what: str, how_far: Callable[[], str] = str) -> Iterator[None]:
    """Say at once what the context does, and every LINE_SECONDS that it still does, and how far it is."""
    begun = time.monotonic()
    say(f"{what} ...")
    with repeated(LINE_SECONDS, lambda: say(f"{what}: {clock(time.monotonic() - begun)} so far{how_far()}")):
        yield


@contextmanager
def repeated(seconds: float, do: Callable[[], object]) -> Iterator[None]:
    """Call `do` every so many seconds, in a thread of its own, while the context lasts."""
    over = Event()

    def repeat() -> None:
        while not over.wait(seconds):
            do()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def heard(say: Callable[[str], None]) -> Iterator[None]:
    """Say, once each, what codim logs in the context, such as the classes that it finds."""
    logger, said = logging.getLogger("codim"), set[str]()
    before = logger.level

    class Once(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if text not in said:
                said.add(text)
                say(text)

    handler = Once()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
