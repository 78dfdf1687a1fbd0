"""Heads of clusters, as processes of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT
from tests.support.studies import HERE, Head, Host
from tests.support.waits import LIMIT_SECONDS, until

PATIENT_RAY = """
import sys, time, types
import ray._private.node
slow = {"monotonic": lambda: time.monotonic() / 20}
ray._private.node.time = types.SimpleNamespace(**vars(time) | slow)
from ray.scripts.scripts import main
sys.exit(main())
"""
"""The command `ray`, but that a node has ten minutes to start: Ray's 30 s, for which it has no setting, are too short
on a busy machine."""


@contextmanager
def started_head(ray_folder: Path, log: Path, host: Host = HERE, **settings: str) -> Iterator[Head]:
    """A cluster of one node with two CPUs, behind a token; `settings`: more environment variables."""
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 32, "RAY_USAGE_STATS_ENABLED": "0", **settings}
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(ray_folder)}
    start = [sys.executable, "-c", PATIENT_RAY, "start", "--block", "--num-cpus=2", "--num-gpus=0"]
    command = [*host.inside, *start, *host.options, "--head", "--port=0", "--include-dashboard=false"]
    with ray_process(command, environment, log, r"--address='([^']+)'") as (process, address):
        yield Head(address, environment, start, process.pid, host)


@contextmanager
def ray_process(
    command: list[str], environment: dict[str, str], log: Path, pattern: str
) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run `ray start --block`; gives its process and the first group of `pattern` in what it says."""
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    until(lambda: process.poll() is not None or re.search(pattern, log.read_text()))
    found = re.search(pattern, log.read_text())
    assert found, log.read_text()
    try:
        yield process, found[1]
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)
