"""A trial in this process: where its newest checkpoint is damaged, it goes on from the previous one, with its rows."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from codim.config import TrainConfig
from codim.datasets import TrainingData
from study.trainable import Job, train


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
