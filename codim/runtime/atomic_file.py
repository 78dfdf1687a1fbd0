"""Files that are replaced as a whole, and locks that end with the process that holds them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

POLL_SECONDS = 0.2
"""Seconds between two tries to acquire a lock that another process holds."""


@contextmanager
def replacement(path: Path, ending: str = "") -> Iterator[Path]:
    """Yield a scratch path whose file replaces `path` at the end of the context; a context that fails leaves no trace
    and no change. A power cut may still lose the bytes, where `synced` does not write them.

    `ending`: of the scratch file's name. By default the number of this process, so that two may write at once; with a
    word, what a killed process left is overwritten by the next instead of kept for ever.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{ending or os.getpid()}")
    try:
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def synced(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file whose bytes are on the disk when the context ends; a rename could reach the disk before them."""
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` once it is whole and on the disk, whatever crashes before."""
    with replacement(path) as scratch, synced(scratch) as file:
        yield file


@contextmanager
def held(path: Path, busy: Callable[[], None] = lambda: None, *, soft: bool = False) -> Iterator[None]:
    """Hold the lock whose file is `path`; it ends with this process at the latest, and the file stays.

    `busy` is called before waiting for another process, unless it raises. `soft`: where the file system knows no locks,
    the file is one by its existence, and a kill leaves it behind; else that is an OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, poll_interval=POLL_SECONDS, fallback_to_soft=soft)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        busy()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
