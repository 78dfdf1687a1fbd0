"""Messages that a step is running, and for how long."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from codim.runtime.progress_bar import LINE_SECONDS, clock


@contextmanager
def announced(say: Callable[[str], None], what: str, how_far: Callable[[], str] = str) -> Iterator[None]:
    """Announce at once that the step `what` runs, then repeat every LINE_SECONDS with its elapsed time and progress."""
    begun = time.monotonic()
    say(f"{what} ...")
    with repeated(LINE_SECONDS, lambda: say(f"{what}: {clock(time.monotonic() - begun)} so far{how_far()}")):
        yield


@contextmanager
def repeated(seconds: float, do: Callable[[], object]) -> Iterator[None]:
    """Call `do` every `seconds` in a thread while the context lasts."""
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
def relayed(say: Callable[[str], None]) -> Iterator[None]:
    """Pass on to `say`, once each, the messages that codim logs in the context, such as the classes found."""
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
