"""Training, predict, audit, crossval and embed run on another device than the CPU: nothing that they need is left on
the wrong one. The device is a stand-in (other_device.py), so no GPU is needed, and results must be the CPU's to the
last bit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils import backend_registration
from torchvision.models import get_model

from tests.support import ROOT

pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"), reason="this torch has no such device"
)

DIGITS: dict[str, Any] = {
    "data": {"name": "digits", "subset": 300},
    "noise": {"kind": "symmetric", "rate": 0.4},
    "network": {"width": 4},
    "augment": {"strong_rotation": 10, "strong_noise": 0.1, "crop_padding": 1},
    "pretrain": {"epochs": 1},
    "warmup": {"epochs": 1},
    "train": {"samples": 1_500, "batch_size": 32, "epoch": "dataset"},
}
RUNS: dict[str, dict[str, Any]] = {
    "averaged": {"method": "codim-sup", "average": {"kind": "ema"}},
    "swa": {"method": "codim-self", "average": {"kind": "swa"}},
    "given": {"method": "cssl", "divide": {"split": "given", "labels_per_class": 3}},
    "instance": {"method": "dividemix", "noise": {"kind": "instance", "rate": 0.4}, "pretrain": {"epochs": 0}},
}
"""What is laid over `DIGITS`, section by section."""


def commands(images: Path, output: Path) -> list[list[str]]:
    """One training a run, the first once more from its checkpoint; of images in files; then the other commands."""
    made = []
    for name, settings in RUNS.items():
        (output / f"{name}.json").write_text(json.dumps(DIGITS | settings))
        made.append(["--config", str(output / f"{name}.json"), "--output", str(output / name)])
    made[0].append("--probe")
    made.append(made[0])
    photos = {"data": {"name": "folder", "root": str(images), "cache": str(output / "cache"), "cache_size": 16}}
    photos["network"], photos["warmup"] = {"name": "small_cnn", "width": 4}, {"epochs": 1}
    photos["augment"], photos["train"] = {"size": 8}, {"samples": 200, "batch_size": 8}
    (output / "photos.json").write_text(json.dumps(photos | {"method": "dividemix"}))
    made.append(["--config", str(output / "photos.json"), "--output", str(output / "photos")])
    checkpoint = ["--checkpoint", str(output / "photos")]
    made.append(["predict", *checkpoint, "--images", str(images), "--output", str(output / "classes.csv")])
    made.append(["audit", *checkpoint, "--output", str(output)])
    made.append(["crossval", "--config", str(output / "photos.json"), "--output", str(output / "folds.parquet")])
    encoder = ["--encoder", "torchvision:squeezenet1_1", "--weights", str(images / "w.pth"), "--input-size", "32"]
    made.append(["embed", "--images", str(images), *encoder, "--output", str(output / "embeddings.parquet")])
    return made


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Results of the same commands on the CPU and on the other device."""
    images = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for i in range(40):
        path = images / "train" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(256, size=(20, 20, 3), dtype=np.uint8)).save(path)
    torch.save(get_model("squeezenet1_1", weights=None).state_dict(), images / "w.pth")
    found = []
    for device in ("cpu", "other"):
        found.append(tmp_path_factory.mktemp(device))
        arguments = [device, json.dumps(commands(images, found[-1]))]
        subprocess.run([sys.executable, "-m", "tests.support.other_device", *arguments], check=True, cwd=ROOT)
    return found[0], found[1]


FILES = [
    f"{run}/{file}" for run in (*RUNS, "photos") for file in ("metrics.jsonl", "evaluation.json", "label_audit.parquet")
]


@pytest.mark.parametrize(
    "file", [*FILES, "averaged/probe.json", "classes.csv", "label_audit.html", "folds.parquet", "embeddings.parquet"]
)
def test_results_are_those_of_the_cpu(file: str, folders: tuple[Path, Path]) -> None:
    here, there = (content(folder / file) for folder in folders)
    assert here == there


def content(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(str(path)).to_pylist()
    if path.name == "metrics.jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert rows[-1]["phase"] == "cotrain"
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    return path.read_text()


def test_the_other_device_refuses_tensors_of_the_cpu() -> None:
    """Else the tests above would show nothing."""
    code = (
        "import torch, tests.support.other_device as o\n"
        "with o.OtherDevice(): torch.ones(2, device=o.DEVICE) + torch.ones(2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "add mixes devices: [('other', (2,)), ('cpu', (2,))]" in done.stderr
