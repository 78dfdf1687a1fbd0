"""Exported files, read by what their users read them with: the checkpoint's own outputs, for any number of images."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from codim.commands import export
from codim.commands.arguments import ExportArguments
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.evaluation.predict import predict
from codim.training.checkpoint import InputSpec, Trained, load_trained, save_checkpoint
from tests.support.runs import train


@pytest.fixture(params=["small_cnn", "preact_resnet18"])
def checkpoint(
    tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path, request: pytest.FixtureRequest
) -> Path:
    config, data = tiny({"method": "ce", "network": {"name": request.param}, "train": {"samples": 200}})
    _, state = train(config, data)
    spec = InputSpec.of(data, Augmenter.fit(config.augment, data.images))
    save_checkpoint(tmp_path / "run" / "checkpoint.pt", config, state, spec)
    return tmp_path / "run" / "checkpoint.pt"


def command(checkpoint: Path, output: Path) -> int:
    return export.main(ExportArguments(checkpoint, output))


def images(n: int) -> Tensor:
    return torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def expected(trained: Trained, x: Tensor) -> Tensor:
    return predict(trained.networks, x, trained.augmenter).mean(0).softmax(1)


@pytest.mark.filterwarnings("error:No complete tensor")
def test_torch_export(checkpoint: Path, tmp_path: Path) -> None:
    assert command(checkpoint, tmp_path / "out" / "model.pt2") == 0
    extra = {"classes.json": ""}
    model = torch.export.load(tmp_path / "out" / "model.pt2", extra_files=extra).module()
    assert json.loads(extra["classes.json"]) == [str(k) for k in range(10)]
    trained = load_trained(checkpoint, torch.device("cpu"))
    for n in (1, 2, 33):
        torch.testing.assert_close(model(images(n)), expected(trained, images(n)), atol=1e-5, rtol=0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.pt2"]


def test_onnx(checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "model.onnx"
    assert command(checkpoint, output) == 0
    assert [path.name for path in output.parent.iterdir()] == ["model.onnx"], "one file, weights inside"
    onnx.checker.check_model(output, full_check=True)
    session = onnxruntime.InferenceSession(output)
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == [str(k) for k in range(10)]
    assert session.get_inputs()[0].type == "tensor(uint8)"
    trained = load_trained(checkpoint, torch.device("cpu"))
    for n in (1, 2, 33):
        found = session.run(["probabilities"], {"images": images(n).numpy()})[0]
        torch.testing.assert_close(torch.from_numpy(found), expected(trained, images(n)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("value", [1e-3, float("nan")])
def test_a_file_whose_outputs_differ_is_not_left(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """Nor does it take the place of an earlier one."""
    write = export.WRITERS[".pt2"]

    def wrong(*args: Any) -> Callable[[Tensor], Tensor]:
        model = write(*args)
        return lambda x: model(x) + value * (len(x) == 7)

    monkeypatch.setitem(export.WRITERS, ".pt2", wrong)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pt2").write_text("earlier")
    with pytest.raises(ValueError, match="is not written"):
        command(checkpoint, tmp_path / "out" / "model.pt2")
    assert [path.read_text() for path in (tmp_path / "out").iterdir()] == ["earlier"]


def test_without_onnx_the_extra_is_named(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else real(name))
    with pytest.raises(
        ValueError, match=r"ONNX needs libraries that are not installed, onnxscript; .*codim-study\[export\]"
    ):
        command(checkpoint, tmp_path / "model.onnx")


def test_other_formats_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.h5 must end in \.pt2 or \.onnx"):
        command(checkpoint, tmp_path / "model.h5")
