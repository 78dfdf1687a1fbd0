"""Waits for what other processes do: as long as it takes on any machine, up to a limit that only a fault reaches."""

import ipaddress
import subprocess
import time
from collections.abc import Callable
from typing import Any

LIMIT_SECONDS = 900.0


def until(happened: Callable[[], Any], *running: "subprocess.Popen[Any]") -> None:
    """Return once `happened()` is true. Fails where one of `running` ends before."""
    begun = asked = time.monotonic()
    while not happened():
        for process in running:
            assert process.poll() is None, process.communicate()[1]
        now = time.monotonic()
        assert now < begun + LIMIT_SECONDS, f"not within {LIMIT_SECONDS:g} s"
        time.sleep(max(0.05, 5 * (now - asked)))  # a look may be costly, and what it waits for needs the CPU
        asked = time.monotonic()


def end_of(process: "subprocess.Popen[str]") -> str:
    """Return what a process wrote on its standard error, once it has ended."""
    return process.communicate(timeout=LIMIT_SECONDS)[1]


def loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
