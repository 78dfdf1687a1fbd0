"""Real Ray, on two CPUs, with its files in the test's own folder."""

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.buckets import bucket, line, server  # noqa: F401  fixtures
from tests.support.heads import started_head
from tests.support.studies import SPEC, Head, WriteStudy


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
def ray_folder() -> Iterator[Path]:
    """Where every Ray of these tests keeps its files. Short: the paths of sockets may have 107 characters."""
    with TemporaryDirectory(prefix="r-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        os.environ["PYTHONPATH"] = str(ROOT)  # the simulated trials, for the workers
        yield Path(folder)


@pytest.fixture(scope="session")
def local_ray(ray_folder: Path) -> Iterator[None]:
    from study.ray_cluster.connection import connected

    with connected(None, cpus=2, gpus=0):
        yield


@pytest.fixture(scope="session")
def head(ray_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """It outlives the drivers that join it."""
    with started_head(ray_folder, tmp_path_factory.mktemp("head") / "log") as running:
        yield running
