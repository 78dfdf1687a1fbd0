"""A trial that hangs: its process ends itself, so that its resources come back, and says where it hung."""

import faulthandler
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
HUNG = "hung.txt"
"""In the trial's folder: where each thread stood."""


class Hung(Exception):
    """The trial hung, in this process or in one before."""


def watched(rows: Iterator[T], folder: Path, minutes: float | None) -> Iterator[T]:
    """`rows`, each of which must come within so many minutes of the one before; None: whenever it comes.

    A thread in C keeps the time, on a clock that nobody sets: a call that never gives Python's lock back, as one into a
    broken driver or file server, would stop a thread of ours too. It ends the process at once; Tune starts the trial
    again in another one, and there the file that it left says that there is no use in that.

    Raises:
        Hung: it did so in an earlier process.
    """
    if minutes is None:
        yield from rows
        return
    left = folder / HUNG
    if left.exists() and left.stat().st_size:
        raise Hung(f"no epoch within {minutes:g} minutes; {HUNG} in the trial's folder says where it hung")
    folder.mkdir(parents=True, exist_ok=True)
    with left.open("w") as file:
        try:
            while True:
                faulthandler.dump_traceback_later(minutes * 60, exit=True, file=file)
                row = next(rows, None)
                # The time in which the driver takes the row in is not the trial's.
                faulthandler.cancel_dump_traceback_later()
                if row is None:
                    return
                yield row
        finally:
            faulthandler.cancel_dump_traceback_later()
