"""Shared pre-training and warm-up: who shares them, and that sharing changes nothing but the time."""

import fcntl
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from codim.config.train_config import TrainConfig
from codim.data.load import DATASETS
from codim.training.pretrain import pretrain_epochs
from study.driver import run_study as driver
from study.plan.plan import Plan, load_plan
from study.plan.shared_stages import Stage, pretraining, shared_stages, warm_up
from study.results.folder import ResultsFolder
from study.worker import stages
from study.worker.job import Job
from study.worker.stages import compute_stage, progress_of, read_pretraining
from study.worker.trainable import Row, train
from tests.support.studies import WriteStudy


@pytest.fixture
def plan(write_study: WriteStudy) -> Plan:
    return load_plan(write_study())


def config(plan: Plan, seed: int = 1, condition: int = 0, lambda_u: float = 2.0) -> TrainConfig:
    return plan.searched_config(plan.conditions[condition], {"mixmatch/lambda_u": lambda_u}, seed)


def first(config: TrainConfig) -> Stage:
    stage = pretraining(config)
    assert stage
    return stage


def second(config: TrainConfig) -> Stage:
    stage = warm_up(config)
    assert stage
    return stage


def shared(plan: Plan, kind: str) -> list[str]:
    return [stage.key for stage in shared_stages(plan) if stage.kind == kind]


def test_all_trials_share_the_pretraining_those_of_a_condition_the_warm_up(plan: Plan) -> None:
    assert shared(plan, "pre-training") == [first(config(plan)).key]
    assert first(config(plan, 7, 1, 9.0)) == first(config(plan))
    assert shared(plan, "warm-up") == [second(config(plan, condition=k)).key for k in (0, 1)]
    assert second(config(plan, 7, 1, 9.0)) == second(config(plan, condition=1))
    assert [stage.kind for stage in shared_stages(plan)] == ["pre-training", "warm-up", "warm-up"]


def test_open_set_noise_changes_the_images_and_so_the_stage(
    write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = DATASETS["digits"]
    monkeypatch.setitem(DATASETS, "cifar10", digits)
    open_set = {"kind": "openset", "open_share": 0.5, "source": "cifar10"}
    conditions = [{"kind": "none"}, {**open_set, "rate": 0.2}, {**open_set, "rate": 0.4}]
    plan = load_plan(write_study(conditions=conditions))
    keys = [first(config(plan, condition=k)).key for k in range(3)]
    assert len(set(keys)) == 3
    assert shared(plan, "pre-training") == keys


@pytest.mark.parametrize(
    ("path", "low", "high", "kinds"),
    [
        ("pretrain/temperature", 0.1, 1.0, set()),
        ("augment/strong_jitter", 0.1, 0.9, set()),
        ("optim/lr", 0.01, 0.1, {"pre-training"}),
        ("warmup/confidence_penalty", 0.1, 1.0, {"pre-training"}),
        ("contrastive/weight", 0.1, 1.0, {"pre-training", "warm-up"}),
        ("divide/p_threshold", 0.1, 0.9, {"pre-training", "warm-up"}),
    ],
)
def test_a_searched_setting_unshares_what_it_enters(
    write_study: WriteStudy, path: str, low: float, high: float, kinds: set[str]
) -> None:
    space = {path: {"type": "float", "low": low, "high": high}}
    plan = load_plan(write_study(space=space, baselines={}))
    assert {stage.kind for stage in shared_stages(plan)} == kinds
    one, other = (plan.searched_config(plan.conditions[0], {path: value}, 0) for value in (low, high))
    assert (first(one).key == first(other).key) == ("pre-training" in kinds)
    assert (second(one).key == second(other).key) == ("warm-up" in kinds)


def test_a_method_without_a_stage_shares_none(write_study: WriteStudy) -> None:
    plan = load_plan(write_study(baselines={"dividemix": {"method": "dividemix"}, "ce": {"method": "ce"}}))
    dividemix, ce = (plan.baseline_config(plan.conditions[0], name, 0) for name in ("dividemix", "ce"))
    assert pretraining(dividemix) is pretraining(ce) is warm_up(ce) is None
    # The one trial a condition that warms up without pre-training has nobody to share it with.
    assert second(dividemix).key not in shared(plan, "warm-up")
    assert len(shared_stages(plan)) == 3


def test_one_that_diverged_is_not_kept(write_study: WriteStudy, tmp_path: Path) -> None:
    plan = load_plan(write_study(fixed__pretrain={"epochs": 1, "lr": 1e30}))
    with pytest.raises(ValueError, match="pre-training: the loss became nan"):
        compute_stage(first(config(plan)), tmp_path)
    assert read_pretraining(config(plan), tmp_path) is None


def test_a_warm_up_that_diverged_fails_its_trials_not_the_study(write_study: WriteStudy, tmp_path: Path) -> None:
    plan = load_plan(write_study(fixed__optim={"lr": 1e30}))
    assert compute_stage(second(config(plan)), tmp_path) == "diverged"
    with pytest.raises(FloatingPointError, match="the training loss became"):
        list(train(job(config(plan), tmp_path, tmp_path)))


def test_computed_once_and_again_when_damaged(plan: Plan, tmp_path: Path) -> None:
    stages = [first(config(plan)), second(config(plan))]
    assert read_pretraining(config(plan), tmp_path) is None
    assert [compute_stage(stage, tmp_path) for stage in stages] == ["computed", "computed"]
    assert [compute_stage(stage, tmp_path) for stage in stages] == ["found", "found"]
    whole = read_pretraining(config(plan), tmp_path)
    assert whole
    rows = list(train(job(config(plan), tmp_path, tmp_path / "whole")))
    for file in tmp_path.glob("*/*.pt"):
        file.write_bytes(file.read_bytes()[:-1000])
    again = read_pretraining(config(plan), tmp_path)
    assert again
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert values(list(train(job(config(plan), tmp_path, tmp_path / "again")))) == values(rows)
    (tmp_path / stages[1].key / "epochs.json").write_text("[{")
    assert compute_stage(stages[1], tmp_path) == "computed"


def test_sharing_changes_nothing_but_the_time(plan: Plan, tmp_path: Path) -> None:
    """Bit for bit, for two seeds, which do differ once co-training begins."""
    shared_folder = tmp_path / "stages"
    for stage in shared_stages(plan):
        compute_stage(stage, shared_folder)
    curves = []
    for seed in (1, 2):
        own = config(plan, seed)
        alone = list(train(job(own, tmp_path / "none", tmp_path / f"alone-{seed}")))
        head, *rest = train(job(own, shared_folder, tmp_path / f"shared-{seed}"))
        rows = [*head.pop("history"), head, *rest]
        assert alone[0]["phase"] == "pretrain"
        assert values(rows) == values(alone[1:])
        assert [row["seconds"] == 0 for row in rows] == [row["phase"] == "warmup" for row in rows]
        curves.append(values(rows))
    warm = sum(row["phase"] == "warmup" for row in rows)
    assert curves[0][:warm] == curves[1][:warm]
    assert curves[0][warm] != curves[1][warm]


def test_who_asks_second_waits_and_finds(plan: Plan, tmp_path: Path) -> None:
    stage = first(config(plan))
    (tmp_path / stage.key).mkdir()
    made: list[str] = []
    asks = [threading.Thread(target=lambda: made.append(compute_stage(stage, tmp_path))) for _ in range(2)]
    with (tmp_path / stage.key / ".lock").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        for thread in asks:
            thread.start()
        asks[0].join(0.5)
        assert not made
    for thread in asks:
        thread.join()
    assert sorted(made) == ["computed", "found"]


def test_a_pre_training_goes_on_where_its_worker_was_lost(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = load_plan(write_study(fixed__pretrain={"epochs": 3}))
    stage = first(config(plan))
    monkeypatch.setattr(stages, "CHECKPOINT_SECONDS", 0)
    compute_stage(stage, tmp_path / "alone")
    epochs: list[int] = []

    def lost(*arguments: Any) -> Iterator[tuple[float, float]]:
        for row in pretrain_epochs(*arguments):
            epochs.append(arguments[-1].epoch)
            if len(epochs) == 3:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(stages, "pretrain_epochs", lost)
    with pytest.raises(KeyboardInterrupt):
        compute_stage(stage, tmp_path / "lost")
    assert compute_stage(stage, tmp_path / "lost") == "computed"
    assert epochs == [1, 2, 3, 3]
    assert sorted(path.name for path in (tmp_path / "lost" / stage.key).iterdir()) == [".lock", "encoder.pt"]
    alone, again = (read_pretraining(config(plan), tmp_path / name) for name in ("alone", "lost"))
    assert alone
    assert again
    assert all(torch.equal(alone[name], again[name]) for name in alone)


@pytest.mark.usefixtures("local_ray")
def test_a_long_stage_tells_how_far_it_is(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "LINE_SECONDS", 0.1)
    plan, told = load_plan(write_study(fixed__pretrain={"epochs": 20}, fixed__train__samples=40_000)), list[str]()
    driver.compute_stages(plan, ResultsFolder(tmp_path / "results" / "tiny"), told.append)
    shares = [int(share[1]) for line in told if (share := re.match(r"pre-training: 1 running, (\d+)% done, ", line))]
    assert shares == sorted(shares)
    assert 0 < shares[-1] <= 100
    assert next(line for line in told if line.endswith(": computed")).startswith("pre-training ")


def test_a_stage_never_seems_less_done_than_before(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at whenever a file comes or goes."""
    seen, stage = list[float](), first(config(plan))
    monkeypatch.setattr(stages, "PROGRESS_SECONDS", 0.01)
    replace, unlink = Path.replace, Path.unlink

    def then_look(change: Any) -> Any:
        def changed(*arguments: Any, **options: Any) -> Any:
            done = change(*arguments, **options)
            seen.append(progress_of(stage, tmp_path))
            return done

        return changed

    monkeypatch.setattr(Path, "replace", then_look(replace))
    monkeypatch.setattr(Path, "unlink", then_look(unlink))
    compute_stage(stage, tmp_path)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_weights_to_start_from_count_by_their_content(write_study: WriteStudy, tmp_path: Path) -> None:
    """Neither a file of the same name nor the same file under another name misleads."""
    names = ("a.pth", "same.pth", "other.pth")
    for name, content in zip(names, (b"one", b"one", b"two"), strict=True):
        (tmp_path / name).write_bytes(content)

    def keys(name: str) -> tuple[str, str]:
        network = {"name": "torchvision:resnet18", "weights": name}
        plan = load_plan(write_study(fixed__network=network), nominal=True)
        return first(config(plan)).key, second(config(plan)).key

    a, same, other = map(keys, names)
    assert a[0] == same[0] != other[0]
    (tmp_path / "a.pth").write_bytes(b"two")
    changed = keys("a.pth")
    assert changed[0] == other[0]
    assert changed[1] != a[1]


def job(config: TrainConfig, stages: Path, folder: Path) -> Job:
    return Job("t", config.model_dump(mode="json"), str(folder), str(stages), threads=1, checkpoint_seconds=1e9)


def values(rows: list[Row]) -> list[str]:
    """All but the wall time; text, because NaN differs from itself."""
    return [repr({**row, "seconds": 0}) for row in rows]
