"""Settings as editors write them, classes in another order, and a locale without letters."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codim.__main__ import main
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.training.checkpoint import InputSpec, load_checkpoint, save_checkpoint
from tests.support import ROOT
from tests.support.pictures import save_plain
from tests.support.runs import train


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train": {"samples": 1, "samples": 2}}', "the key 'samples' appears twice"),
        ('{"noise": {}, "train": {}, "noise": {}}', "the key 'noise' appears twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a\x1b": 1, "a\x1b": 2}', "not valid JSON"),
        ('{"train": {"samples": -1}}', "train/samples"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_settings_that_mean_nothing_are_refused_in_one_line(
    tmp_path: Path,
    text: str,
    message: str,
    mark: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "s.json").write_text(mark + text, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["codim", "--config", str(tmp_path / "s.json"), "--output", str(tmp_path / "out")])
    assert main() == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "classes", [tuple("1032456789"), tuple("012345678"), (*"0123456789", "x"), (*"012345678", "9 ")]
)
def test_a_training_goes_on_only_with_its_classes_in_their_order(
    tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path, classes: tuple[str, ...]
) -> None:
    config, data = tiny({"method": "ce", "train": {"samples": 400}})
    _, state = train(config, data)
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, config, state, InputSpec.of(data, Augmenter.fit(config.augment, data.images)))
    assert load_checkpoint(path, config, data).epoch == state.epoch
    with pytest.raises(ValueError, match=r"number \d+ is .* there and .* here; allowed: the same classes in the same"):
        load_checkpoint(path, config, replace(data, classes=classes))


def test_a_training_in_a_locale_without_letters(tmp_path: Path) -> None:
    """Names come out whole; a setting that cannot be spelt there is said to be so, not to be no JSON."""
    for k, name in enumerate(("Käfer", "学习")):
        for i in range(6):
            save_plain(tmp_path / "p" / name / f"ß{i}.png", 40 * k + i)
    settings = {
        "method": "ce",
        "data": {"name": "folder", "root": "p", "cache_size": 8},
        "network": {"name": "small_cnn", "width": 4},
        "augment": {"size": 8, "crop_padding": 1},
        "train": {"samples": 20, "batch_size": 4, "device": "cpu"},
    }
    bare = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=os.environ | bare, capture_output=True, text=True, check=False)

    (tmp_path / "s.json").write_text(json.dumps(settings), encoding="utf-8")
    done = run("-m", "codim", "--config", "s.json", "--output", "out")
    assert done.returncode == 0, done.stderr
    assert "K\\xe4fer 6" in done.stderr
    card = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert card["classes"] == ["Käfer", "学习"]
    code = (
        "from codim.config.train_config import train_config\n"
        "train_config({'data': {'name': 'folder', 'root': chr(246)}})"
    )
    refused = run("-c", code)
    assert "has characters that this locale cannot encode (ascii); set PYTHONUTF8=1" in refused.stderr
