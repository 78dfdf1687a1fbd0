"""For all tests: one thread, repeatable property tests, and trainings small enough for a test."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from codim.config.data import DataConfig
from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, merge, train_config
from codim.data import load as datasets
from codim.data.image_source import ImageSource
from codim.data.load import TrainingData, load_data
from codim.runtime.user_cache import CACHE_VARIABLE

torch.set_num_threads(1)
_quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("quick", deadline=None, max_examples=25, suppress_health_check=_quiet)
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

TINY: dict[str, Any] = {
    "data": {"val_fraction": 0.2},
    "noise": {"kind": "symmetric", "rate": 0.4},
    "network": {"width": 4, "projection_dim": 8},
    "augment": {"crop_padding": 1, "flip": False, "strong_scale_min": 0.5},
    "pretrain": {"epochs": 2, "batch_size": 64},
    "warmup": {"epochs": 2},
    "mixmatch": {"rampup_epochs": 1, "lambda_u": 25},
    "optim": {"lr": 0.02},
    "train": {"samples": 1_400, "batch_size": 32, "epoch": "dataset", "device": "cpu"},
}
"""Two epochs of each early phase and about three of co-training on `FEW` digits: a fraction of a second."""
FEW = 240
pytest_plugins = ["tests.support.study_fixtures"]
APART = tuple(f"tests/faults/test_{name}.py" for name in ("full_storage", "interrupt", "hostile", "mutations"))
"""Files that use none of the Rays that the tests of the study share: each test starts its own, or needs none."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Which tests stay in one process: those of a file, for the sake of its fixtures; and all of the study's but
    APART, for the sake of the Rays that they share.

    xdist's own groups are lost with pytest 9.2, which sets no `_nodeid`.
    """

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "study" if file.startswith(("tests/study/", "tests/faults/")) and file not in APART else file

    return Scheduling(config, log)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images of the tests are kept apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def digits() -> ImageSource:
    """A part of the digits that still holds every class."""
    source = datasets.DATASETS["digits"](DataConfig())
    return replace(
        source,
        images=source.images[:FEW],
        labels=source.labels[:FEW],
        test_images=source.test_images[:100],
        test_labels=source.test_labels[:100],
    )


@pytest.fixture
def few_digits(digits: ImageSource, monkeypatch: pytest.MonkeyPatch) -> ImageSource:
    """The data set "digits" is small in this test."""
    monkeypatch.setitem(datasets.DATASETS, "digits", lambda config: digits)
    return digits


@pytest.fixture
def tiny(few_digits: ImageSource) -> Callable[..., tuple[TrainConfig, TrainingData]]:
    """tiny(settings) -> config and data, the settings laid over `TINY`."""

    def prepare(over: dict[str, Any] | None = None) -> tuple[TrainConfig, TrainingData]:
        over = over or {}
        base = merge(TINY, METHODS.get(over.get("method", ""), {}))
        config = train_config(merge(base, over))
        return config, load_data(config.data, config.noise)[0]

    return prepare
