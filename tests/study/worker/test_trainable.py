"""A trial without Ray: from a damaged checkpoint it goes on at the previous one, with its rows; where it hangs, it
ends."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.training.session import Session
from study.results.examples import decode as decode_examples
from study.results.predictions import SCALE, decode
from study.worker.job import Job
from study.worker.trainable import train
from study.worker.watchdog import HUNG, Hung, watched
from tests.support import ROOT
from tests.support.waits import LIMIT_SECONDS

STUCK = """
import sys
from pathlib import Path
from study.worker.watchdog import watched

def rows():
    yield 1
    yield 2
    {how}

for row in watched(rows(), Path(sys.argv[1]), 1 / 60):
    print(row, flush=True)
"""


@pytest.mark.parametrize("how", ["import time; time.sleep(10_000)", "'a' * 10**7 + 'b' in 'a' * 10**9"])
def test_a_process_that_hangs_ends_itself(how: str, tmp_path: Path) -> None:
    """Also in a call that keeps Python's lock."""
    command = [sys.executable, "-c", STUCK.format(how=how), str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=ROOT)
    assert (first.returncode, first.stdout) == (1, "1\n2\n")
    assert "in rows" in (tmp_path / HUNG).read_text()
    with pytest.raises(Hung, match="no epoch within 1 minutes"):
        next(watched(iter([1]), tmp_path, 1))


def test_time_that_the_driver_takes_is_not_the_trials(tmp_path: Path) -> None:
    for _ in watched(iter(range(3)), tmp_path, 0.5 / 60):
        time.sleep(0.7)


def test_the_last_row_tells_the_predictions(
    tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their mean over the epochs of the last tenth of the budget; again where the trial had ended before. Of very many
    images an even part."""
    config, data = tiny()
    settings = {"trial": "t", "config": config.model_dump(mode="json"), "stages": str(tmp_path), "threads": 1}
    job = Job(**settings, folder=str(tmp_path / "t"), checkpoint_seconds=0, predicts=True)
    *before, last = train(job)
    assert not any("predictions" in row for row in before)
    told = decode(last["predictions"])
    assert told.labels.tolist() == data.labels[data.val_index].tolist()

    session, expected = Session.load(config), list[torch.Tensor]()
    session.start()
    for row in session.epochs():
        if row["samples"] > 0.9 * config.train.samples:
            expected.append(session.predict(data.val_index).mean(0).softmax(1))
    assert expected
    assert told.probability / SCALE == pytest.approx(torch.stack(expected).mean(0).numpy(), abs=0.01)

    (again,) = train(job)
    assert again["predictions"] == last["predictions"]
    assert "predictions" not in list(train(replace(job, folder=str(tmp_path / "other"), predicts=False)))[-1]

    monkeypatch.setattr("study.results.predictions.MOST", 5 * len(data.classes))
    *_, last = train(replace(job, folder=str(tmp_path / "fewer")))
    images = data.val_index[torch.linspace(0, len(data.val_index) - 1, 5).round().long()]
    assert decode(last["predictions"]).labels.tolist() == data.labels[images].tolist()


def test_the_last_row_shows_examples(tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path) -> None:
    """With what the networks of that moment say of their labels; again where the trial had ended before."""
    config, data = tiny()
    settings = {"trial": "t", "config": config.model_dump(mode="json"), "stages": str(tmp_path), "threads": 1}
    job = Job(**settings, folder=str(tmp_path / "t"), checkpoint_seconds=0, examples=3)
    *before, last = train(job)
    assert not any("examples" in row for row in before)
    told = decode_examples(last["examples"])
    session = Session.load(config)
    assert session.resume(tmp_path / "t" / "checkpoint.pt")
    assert session.truth is not None
    logits = session.predict(data.train_index).sum(0).argmax(1)
    given, true = data.labels[data.train_index], session.truth.labels[data.train_index]
    assert {group.kind: group.count for group in told.groups} == {
        "found": int(((logits != given) & (given != true)).sum()),
        "missed": int(((logits == given) & (given != true)).sum()),
        "doubted": int(((logits != given) & (given == true)).sum()),
    }
    for group in told.groups:
        assert len(group.images) == min(group.count, 3)
        for one in group.images:
            assert one.given == data.classes[int(data.labels[one.index])]
            assert one.true == data.classes[int(session.truth.labels[one.index])]
            assert (one.predicted == one.given) == (group.kind == "missed")
            assert (one.true == one.given) == (group.kind == "doubted")

    (again,) = train(job)
    assert again["examples"] == last["examples"]
    assert "examples" not in list(train(replace(job, folder=str(tmp_path / "other"), examples=0)))[-1]


def timeless(rows: list[dict[str, Any]]) -> list[str]:
    """All values but the wall time; text, because NaN differs from itself."""
    return [repr({**row, "seconds": 0}) for row in rows]


def test_a_damaged_checkpoint_costs_an_epoch(
    tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path
) -> None:
    def job(folder: str) -> Job:
        return Job(
            trial="t",
            config=tiny()[0].model_dump(mode="json"),
            folder=str(tmp_path / folder),
            stages=str(tmp_path / "stages"),
            threads=1,
            checkpoint_seconds=0,
        )

    whole = list(train(job("whole")))
    for row in islice(train(job("cut")), 5):
        assert row["epoch"] < 5
    checkpoint = tmp_path / "cut" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    first, *rest = train(job("cut"))
    assert [row["epoch"] for row in first["history"]] == [0, 1, 2, 3]
    assert timeless([*first.pop("history"), first, *rest]) == timeless(whole)
