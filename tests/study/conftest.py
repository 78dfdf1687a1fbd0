"""Real Ray, on two CPUs, with its files in the test's own folder."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from studies import HERE, SPEC, Head, Host, WriteStudy


@pytest.fixture
def write_study(tmp_path: Path) -> WriteStudy:
    """Write SPEC with some entries replaced; `path=value`, `__` standing for a step down. Returns the file."""

    def write(**changes: Any) -> Path:
        spec = deepcopy(SPEC)
        for path, value in changes.items():
            *above, last = path.split("__")
            place = spec
            for key in above:
                place = place.setdefault(key, {})
            place[last] = value
        file = tmp_path / "study.yaml"
        YAML(typ="safe", pure=True).dump(spec, file)
        return file

    return write


@pytest.fixture(scope="session")
def ray_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every Ray of these tests keeps its files. Short: the paths of sockets may have 107 characters."""
    folder = tmp_path_factory.mktemp("r")
    os.environ["RAY_TMPDIR"] = str(folder)
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # the simulated trials, for the workers
    return folder


@pytest.fixture(scope="session")
def local_ray(ray_folder: Path) -> Iterator[None]:
    from study.cluster import connected

    with connected(None, cpus=2, gpus=0):
        yield


@pytest.fixture(scope="session")
def head(ray_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """It outlives the drivers that join it."""
    with started_head(ray_folder, tmp_path_factory.mktemp("head") / "log") as running:
        yield running


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
