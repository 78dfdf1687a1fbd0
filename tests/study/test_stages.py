"""Shared pre-training."""

from pathlib import Path

import pytest
import torch
from studies import WriteStudy

from codim.config import TrainConfig
from codim.datasets import DATASETS
from study.plan import Plan, load_plan
from study.stage_keys import shared_stages, stage_key
from study.stages import compute_stage, read_stage


@pytest.fixture
def plan(write_study: WriteStudy) -> Plan:
    return load_plan(write_study())


def config(plan: Plan, seed: int = 1) -> TrainConfig:
    return plan.searched_config(plan.conditions[0], {"mixmatch/lambda_u": 2.0}, seed)


def test_all_trials_and_conditions_share_one(plan: Plan) -> None:
    assert list(shared_stages(plan)) == [stage_key(config(plan))]
    other = plan.searched_config(plan.conditions[1], {"mixmatch/lambda_u": 9.0}, 7)
    assert stage_key(other) == stage_key(config(plan))


def test_open_set_noise_changes_the_images_and_so_the_stage(
    write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = DATASETS["digits"]
    monkeypatch.setitem(DATASETS, "cifar10", digits)
    open_set = {"kind": "openset", "open_share": 0.5, "source": "cifar10"}
    conditions = [{"kind": "none"}, {**open_set, "rate": 0.2}, {**open_set, "rate": 0.4}]
    plan = load_plan(write_study(conditions=conditions))
    keys = [stage_key(plan.searched_config(c, {"mixmatch/lambda_u": 2.0}, 0)) for c in plan.conditions]
    assert len(set(keys)) == 3
    assert set(shared_stages(plan)) == set(keys)


def test_a_searched_setting_that_enters_it_unshares_it(write_study: WriteStudy) -> None:
    space = {"pretrain/temperature": {"type": "float", "low": 0.1, "high": 1}}
    plan = load_plan(write_study(space=space, baselines={}))
    assert not shared_stages(plan)
    keys = {stage_key(plan.searched_config(plan.conditions[0], {"pretrain/temperature": t}, 0)) for t in (0.1, 0.2)}
    assert len(keys) == 2


def test_a_method_without_pretraining_needs_none(write_study: WriteStudy) -> None:
    plan = load_plan(write_study(baselines={"dividemix": {"method": "dividemix"}}))
    assert stage_key(plan.baseline_config(plan.conditions[0], "dividemix", 0)) == ""
    assert len(shared_stages(plan)) == 1


def test_one_that_diverged_is_not_kept(write_study: WriteStudy, tmp_path: Path) -> None:
    plan = load_plan(write_study(fixed__pretrain={"epochs": 1, "lr": 1e30}))
    with pytest.raises(ValueError, match="pre-training: the loss became nan"):
        compute_stage(config(plan), tmp_path)
    assert read_stage(config(plan), tmp_path) is None


def test_computed_once_and_again_when_damaged(plan: Plan, tmp_path: Path) -> None:
    assert read_stage(config(plan), tmp_path) is None
    assert compute_stage(config(plan), tmp_path)
    assert not compute_stage(config(plan), tmp_path)
    whole = read_stage(config(plan), tmp_path)
    assert whole
    encoder = tmp_path / stage_key(config(plan)) / "encoder.pt"
    encoder.write_bytes(encoder.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="damaged"):
        read_stage(config(plan), tmp_path)
    assert compute_stage(config(plan), tmp_path)
    again = read_stage(config(plan), tmp_path)
    assert again
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_weights_to_start_from_count_by_their_content(write_study: WriteStudy, tmp_path: Path) -> None:
    """Neither a file of the same name nor the same file under another name misleads."""
    names = ("a.pth", "same.pth", "other.pth")
    for name, content in zip(names, (b"one", b"one", b"two"), strict=True):
        (tmp_path / name).write_bytes(content)

    def key(name: str) -> str:
        network = {"name": "resnet18", "weights": name}
        plan = load_plan(write_study(fixed__network=network), nominal=True)
        return stage_key(config(plan))

    a, same, other = map(key, names)
    assert a == same != other
    (tmp_path / "a.pth").write_bytes(b"two")
    assert key("a.pth") == other
