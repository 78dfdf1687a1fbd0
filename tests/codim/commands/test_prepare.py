"""Before it starts, a training forecasts its cost and decides what is `auto` or limited by time."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from codim.commands import prepare, train
from codim.commands.arguments import TrainArguments
from codim.config.auto import TIMED
from codim.config.budget import Speed
from tests.support.pictures import save_plain

SPEED = Speed(pretrain=0.01, warmup=0.01, cotrain=0.01, checkpoint_bytes=1)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the settings of a training on own images, whose speed is taken to be SPEED."""
    for k, name in enumerate("ab"):
        for i in range(20):
            save_plain(tmp_path / "photos" / name / f"{i}.png", 60 + 120 * k + i)
    own: dict[str, Any] = {"method": "codim-sup", "data": {"name": "folder", "root": str(tmp_path / "photos")}}
    own["network"] = {"name": "small_cnn", "width": 2}
    (tmp_path / "own.json").write_text(json.dumps(own))
    monkeypatch.setattr(prepare, "measure_speed", lambda *_: SPEED)
    return tmp_path / "own.json"


def resolved(output: Path) -> dict[str, Any]:
    config = json.loads((output / "config.json").read_text())
    return {path: config[path.split("/")[0]][path.split("/")[1]] for path in TIMED}


def test_a_training_fits_into_its_minutes_and_resumes_as_it_began(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    args = TrainArguments(config=settings, minutes=0.1, output=output)
    assert train.main(args) == 0
    told = capsys.readouterr().err
    assert re.search(
        r"forecast: [56] s to draw \d+ times from 32 images \(small_cnn of width 2, cpu\), .* GiB of memory", told
    )
    first = resolved(output)
    assert 500 < first["train/samples"] <= 600
    # On a machine ten times as fast the same command goes on with what was begun.
    monkeypatch.setattr(prepare, "measure_speed", lambda *_: Speed(0.001, 0.001, 0.001, 1))
    rows = (output / "metrics.jsonl").read_text()
    assert train.main(args) == 0
    assert resolved(output) == first
    assert (output / "metrics.jsonl").read_text() == rows
    told = capsys.readouterr().err
    assert "forecast" not in told
    assert f"resuming with the budget it began with, {first['train/samples']} samples" in told


def test_a_long_training_is_warned_of(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prepare, "measure_speed", lambda *_: Speed(1.0, 1.0, 1.0, 1))
    prepare.prepared(TrainArguments(config=settings, output=tmp_path / "out"))
    told = capsys.readouterr().err
    assert re.search(r"forecast: \d+ h .*\nthis takes more than an hour; --minutes 30 fits", told)


@pytest.mark.parametrize(
    ("minutes", "changes", "message"),
    [
        (0.0001, {}, "--minutes: 0.0001 is too short on this machine; allowed: about "),
        (1.0, {"train": {"samples": 900}}, "--minutes: the settings give train/samples, too; allowed: one of the two"),
    ],
)
def test_a_time_that_cannot_be_kept_is_refused(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    minutes: float, changes: dict[str, Any], message: str,
) -> None:  # fmt: skip
    settings.write_text(json.dumps(json.loads(settings.read_text()) | changes))
    assert train.main(TrainArguments(config=settings, minutes=minutes, output=tmp_path / "out")) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
