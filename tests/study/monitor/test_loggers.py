"""TensorBoard, MLflow and Weights & Biases get every epoch once, whatever happens to the driver."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.monitor import loggers
from study.monitor.loggers import Loggers
from study.monitor.loggers.base import values_of
from study.plan.plan import load_plan
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.run import Arguments, main
from study.worker.job import Job
from tests.support.simulated import EPOCHS, curve
from tests.support.studies import WriteStudy
from tests.support.waits import until

RECORD = TrialRecord(
    trial="symmetric-0.5-0001", condition="symmetric-0.5", noise_kind="symmetric", noise_rate=0.5, status="complete",
    cause="", baseline="", params={"mixmatch/lambda_u": 12.0}, config={}, seed=1, budget=8000, objective=0.875,
)  # fmt: skip


@pytest.fixture
def rows(write_study: WriteStudy) -> list[dict[str, Any]]:
    plan = load_plan(write_study())
    config = plan.searched_config(plan.conditions[0], {"mixmatch/lambda_u": 12.0}, 1)
    return list(curve(Job("t", config.model_dump(mode="json"), "", "", 1, 0)))


def in_tensorboard(folder: Path) -> list[tuple[float, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard" / RECORD.trial))
    found.Reload()
    assert "epoch/oracle_test_acc" not in found.Tags()["scalars"]
    assert [event.value for event in found.Scalars("objective")] == [RECORD.objective]
    return [(event.step, event.value) for event in found.Scalars("epoch/val_acc")]


def in_mlflow(folder: Path) -> list[tuple[float, float]]:
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("tiny")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.params) == ("FINISHED", {"mixmatch/lambda_u": "12.0"})
    assert run.data.metrics["objective"] == RECORD.objective
    assert run.data.metrics["oracle/test_acc"] > 0
    return sorted((found.step, found.value) for found in client.get_metric_history(run.info.run_id, "epoch/val_acc"))


@pytest.mark.parametrize(("name", "read"), [("tensorboard", in_tensorboard), ("mlflow", in_mlflow)])
def test_each_epoch_once(
    name: Any,
    read: Callable[[Path], list[tuple[float, float]]],
    rows: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first driver is killed after four epochs; the second one hears them again, and in the middle a worker is lost
    and an epoch comes twice."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    told: list[str] = []
    first, second = (Loggers([name], "tiny", ResultsFolder(tmp_path), told.append) for _ in range(2))
    for row in rows[:4]:
        first.epoch(RECORD, row)
    for row in (*rows[:6], *rows[5:]):
        second.epoch(RECORD, row)
    second.end(RECORD)
    assert told == []
    found = read(tmp_path)
    assert [step for step, _ in found] == [row["samples"] for row in rows]
    assert [value for _, value in found] == pytest.approx([row["val_acc"] for row in rows])


def test_weights_and_biases(rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline: what would be sent, in its own file."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))
    told: list[str] = []
    both = Loggers(["wandb"], "tiny", ResultsFolder(tmp_path), told.append)
    for row in rows:
        both.epoch(RECORD, row)
    both.end(RECORD)
    assert told == []
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    # Its service may write on after the run has finished.
    until(lambda: steps_in(file.read_bytes()) == list(range(EPOCHS)))


def steps_in(content: bytes) -> list[int]:
    """Of the history in a file of wandb's: blocks of 32 KiB of LevelDB's log, after a head of 7 bytes; each record with
    its checksum, length, and place in what may span several records."""
    from wandb.proto.wandb_internal_pb2 import Record

    steps, at, whole = [], 7, b""
    while at < len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        if at + 7 + length > len(content):  # not all of it is written yet
            break
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # full, last
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            if record.HasField("history"):
                steps.append(record.history.step.num)
    return steps


def test_one_that_fails_is_left_out(
    rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    told: list[str] = []
    both = Loggers(["mlflow", "tensorboard"], "tiny", ResultsFolder(tmp_path), told.append)
    for row in rows:
        both.epoch(RECORD, row)
    both.end(RECORD)
    assert len(told) == 1
    assert told[0].startswith("warning: mlflow is disabled from now on: ")
    assert len(in_tensorboard(tmp_path)) == EPOCHS


def test_one_that_is_not_installed(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    assert main(Arguments(write_study(loggers=["wandb"]), tmp_path / "results")) == 2
    assert "loggers: wandb is not installed; `pip install wandb`" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_values_are_finite_numbers_and_the_oracles_stand_apart() -> None:
    row = {"epoch": 1, "samples": 9, "phase": "cotrain", "loss": 0.5, "loss_u": float("nan"), "oracle_test_acc": 0.25}
    row |= {"loss_histogram": [3, 2], "oracle_loss_histogram": []}
    assert values_of(row) == {"epoch/loss": 0.5, "oracle/test_acc": 0.25}
