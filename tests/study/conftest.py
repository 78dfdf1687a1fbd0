"""Real Ray, on two CPUs, with its files in the test's own folder."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

SPEC: dict[str, Any] = {
    "name": "tiny",
    "fixed": {
        "augment": {"crop_padding": 1, "flip": False},
        "network": {"width": 4},
        "pretrain": {"epochs": 1},
        "warmup": {"epochs": 1},
        "mixmatch": {"rampup_epochs": 1},
        "train": {"samples": 8000, "epoch": "dataset"},
    },
    "conditions": [{"kind": "symmetric", "rate": 0.5}, {"kind": "symmetric", "rate": 0.8}],
    "space": {"mixmatch/lambda_u": {"type": "float", "low": 1, "high": 100, "log": True}},
    "baselines": {"codim-sup": {"method": "codim-sup"}},
    "pruner": {"kind": "none"},
    "budget": {"trials_per_condition": 2},
    "checkpoint_seconds": 0,
}

WriteStudy = Callable[..., Path]


@pytest.fixture
def write_study(tmp_path: Path) -> WriteStudy:
    """Write SPEC with some entries replaced; `path=value`, `__` standing for a step down. Returns the file."""

    def write(**changes: Any) -> Path:
        spec = _copied(SPEC)
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


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


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
