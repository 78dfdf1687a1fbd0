"""The head of the cluster goes away in the middle of a study: it ends with a message."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

PATIENCE_SECONDS = 45.0
"""For a head that may come back. After 60 Ray itself ends the process, with status 1 and no word of the study."""


@contextmanager
def head_watched(address: str) -> Iterator[None]:
    """While the context lasts, end this process once nobody has answered at `address`, host:port, for that long.

    At once, not by an exception: whatever asks Ray without its head, its own clean-up too, waits until Ray ends the
    process. Nothing is lost; what is on disk is as after a kill.
    """
    host, _, port = address.rpartition(":")
    over = Event()

    def watch() -> None:
        answered = time.monotonic()
        while not over.wait(1):
            try:
                socket.create_connection((host, int(port)), timeout=5).close()
                answered = time.monotonic()
            except OSError as error:
                if time.monotonic() - answered > PATIENCE_SECONDS:
                    print(
                        f"error: the head of the Ray cluster, {address}, has not answered for {PATIENCE_SECONDS:g} s "
                        f"({error}); what was done is kept, and the same command goes on from there once it is back",
                        file=sys.stderr,
                        flush=True,
                    )
                    os._exit(2)

    Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()
