"""Heads of clusters, as processes of their own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studies import HERE, Head, Host


@contextmanager
def started_head(ray_folder: Path, log: Path, host: Host = HERE, **settings: str) -> Iterator[Head]:
    """A cluster of one node with two CPUs, behind a token; `settings`: more environment variables."""
    root, here = Path(__file__).parents[2], Path(__file__).parent
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 32, "RAY_USAGE_STATS_ENABLED": "0", **settings}
    environment = {**os.environ, **own, "PYTHONPATH": f"{root}:{here}", "RAY_TMPDIR": str(ray_folder)}
    start = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=2", "--num-gpus=0"]
    with log.open("w") as file:
        process = subprocess.Popen(
            [*host.inside, *start, *host.options, "--head", "--port=0", "--include-dashboard=false"],
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        yield Head(wait_for_line(r"--address='([^']+)'", log, process), environment, start, process.pid, host)
    finally:
        process.terminate()
        process.wait(30)


def wait_for_line(pattern: str, log: Path, process: "subprocess.Popen[Any]") -> str:
    """The first group of `pattern`, once it stands in the log of a process."""
    deadline = time.monotonic() + 300
    while not (found := re.search(pattern, log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return found[1]
