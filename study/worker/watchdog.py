"""Watchdog: the process of a hanging trial ends itself, which frees its resources, and notes where it hung."""

import faulthandler
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
HUNG = "hung.txt"
"""File in the trial's folder with the stack of each thread."""


class Hung(Exception):
    """The trial hung, in this process or an earlier one."""


def watched(rows: Iterator[T], folder: Path, minutes: float | None) -> Iterator[T]:
    """Yield `rows`, and end this process if one takes longer than `minutes` (None: no limit).

    faulthandler's C thread keeps the time on a monotonic clock, because a call that never releases the GIL, as into a
    broken driver or file server, would stop a Python thread too. Tune then restarts the trial in another process, which
    finds the file that this one left, and gives up.

    Raises:
        Hung: the trial hung in an earlier process.
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
