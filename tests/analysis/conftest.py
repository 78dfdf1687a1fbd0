"""Small studies for the tests of the analysis."""

from pathlib import Path

import pytest

from analysis.frames.load import Trials, load_trials
from tests.support import synthetic


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """Four conditions; complete, pruned, failed and running trials; a zero branch (see `synthetic.records`)."""
    return load_trials(synthetic.write(tmp_path_factory.mktemp("results") / "digits", synthetic.records()))


@pytest.fixture(scope="session")
def confirmed_study(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """The same, with what confirms it (see `synthetic.confirmations`)."""
    root = tmp_path_factory.mktemp("results") / "digits"
    return load_trials(synthetic.write(root, [*synthetic.records(), *synthetic.confirmations()]))


@pytest.fixture
def empty_study(tmp_path: Path) -> Trials:
    """A study that has only just started: its file is written, no trial is."""
    root = synthetic.write(tmp_path / "empty", [])
    (root / "trials.parquet").unlink()
    return load_trials(root)
