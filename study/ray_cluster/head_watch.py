"""End a study with a message if the head node of its cluster goes away."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

PATIENCE_SECONDS = 45.0
"""Seconds to wait for the head node. After 60 Ray itself ends the process, with status 1 and no word of the study."""


@contextmanager
def head_watched(address: str) -> Iterator[None]:
    """While the context lasts, end this process once `address`, host:port, has not answered for PATIENCE_SECONDS.

    The exit is immediate, not an exception: without its head, every call to Ray, even its clean-up, blocks until Ray
    ends the process. Nothing is lost: the files are as after a kill.
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
                        f"({error}); finished work is kept; once the head is back, run the same command to resume",
                        file=sys.stderr,
                        flush=True,
                    )
                    os._exit(2)

    Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()
