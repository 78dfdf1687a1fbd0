"""Relative paths in a study file count from its folder, wherever the study is started."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codim.config.data import DataConfig
from codim.data.load import load_data
from codim.noise.base import NoNoise
from study.errors import SpecError
from study.plan.plan import load_plan
from tests.support.studies import WriteStudy


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; the study file's folder has weights, labels and a list of labelled images."""
    (tmp_path / "files").mkdir()
    for name in ("a.pth", "b.pth"):
        (tmp_path / "files" / name).touch()
    np.save(tmp_path / "files" / "labels.npy", np.arange(1347) % 10)
    data, _ = load_data(DataConfig(), NoNoise())
    np.save(tmp_path / "files" / "labelled.npy", data.train_index[:20].numpy())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def resnet(weights: str) -> dict[str, Any]:
    return {"name": "torchvision:resnet18", "width": None, "weights": weights}


def test_of_fixed_settings_baselines_and_conditions(write_study: WriteStudy, elsewhere: Path, tmp_path: Path) -> None:
    baselines = {"b": {"network": resnet("files/b.pth")}}
    labels = {"kind": "file", "path": "files/labels.npy"}
    fixed = {"network": resnet("files/a.pth"), "data": {"cache": "cache"}}
    plan = load_plan(write_study(fixed=fixed, baselines=baselines, conditions=[labels]))
    (condition,) = plan.conditions
    assert condition.noise.model_dump()["path"] == tmp_path / "files" / "labels.npy"
    searched = plan.searched_config(condition, {}, 0)
    assert searched.network.weights == tmp_path / "files" / "a.pth"
    baseline = plan.baseline_config(condition, "b", 0)
    assert baseline.network.weights == tmp_path / "files" / "b.pth"
    assert baseline.data.cache == searched.data.cache == tmp_path / "cache"


def test_of_a_list_of_labelled_images(write_study: WriteStudy, elsewhere: Path, tmp_path: Path) -> None:
    given = {"labelled_file": "files/labelled.npy"}
    plan = load_plan(
        write_study(fixed__method="cssl", fixed__divide=given, baselines={}, conditions=[{"kind": "none"}])
    )
    config = plan.searched_config(plan.conditions[0], {}, 0)
    assert config.divide.labelled_file == tmp_path / "files" / "labelled.npy"


def test_of_choices(write_study: WriteStudy, elsewhere: Path, tmp_path: Path) -> None:
    space = {"network/weights": {"type": "categorical", "choices": ["files/a.pth", "files/b.pth"]}}
    plan = load_plan(write_study(fixed__network=resnet("files/a.pth"), space=space, baselines={}))
    chosen = [str(tmp_path / "files" / name) for name in ("a.pth", "b.pth")]
    assert list(plan.spec.space["network/weights"].corners()) == chosen
    assert plan.params_of(plan.searched_config(plan.conditions[0], {}, 0)) == {"network/weights": chosen[0]}


@pytest.mark.usefixtures("elsewhere")
def test_that_lead_nowhere(write_study: WriteStudy, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=f"network: weights {tmp_path / 'gone.pth'}: the file does not exist"):
        load_plan(write_study(fixed__network=resnet("gone.pth")))


def test_of_a_home_folder(write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    np.save(tmp_path / "home" / "labels.npy", np.arange(1347) % 10)
    plan = load_plan(write_study(conditions=[{"kind": "file", "path": "~/labels.npy"}]))
    assert plan.conditions[0].noise.model_dump()["path"] == tmp_path / "home" / "labels.npy"
