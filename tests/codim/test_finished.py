"""`codim.predict`, `audit` and `export`: the same as the commands of these names, and errors that say what is wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import codim
from codim.commands import audit, predict
from codim.commands.arguments import AuditArguments, PredictArguments
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData


@pytest.fixture
def trained(tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path) -> tuple[Path, TrainingData]:
    """The folder of a checkpoint, and its data."""
    config, data = tiny({"method": "ce", "train": {"samples": 400}})
    session = codim.Session(config, data)
    session.start()
    for _ in session.epochs():
        pass
    session.save(tmp_path / "run" / "checkpoint.pt")
    return tmp_path / "run", data


def test_a_folder_is_predicted_as_by_the_command(
    trained: tuple[Path, TrainingData], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint, data = trained
    (tmp_path / "images").mkdir()
    for k, image in enumerate(data.images[:5, 0].numpy()):
        Image.fromarray(image).save(tmp_path / "images" / f"{k}.png")
    (tmp_path / "images" / "9.png").write_text("no image")
    assert predict.main(PredictArguments(checkpoint, tmp_path / "images", tmp_path / "p.csv")) == 1
    wanted = pd.read_csv(tmp_path / "p.csv", dtype={"class": str})
    found = codim.predict(checkpoint, tmp_path / "images")
    pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=1e-6)
    assert "9.png" in caplog.text
    same = codim.predict(str(checkpoint / "checkpoint.pt"), data.images[:5, 0].numpy())
    pd.testing.assert_frame_equal(same, found.drop(columns="file"), rtol=0, atol=1e-6)


def test_no_image_is_an_empty_table(trained: tuple[Path, TrainingData]) -> None:
    found = codim.predict(trained[0], np.empty((0, 8, 8), dtype=np.uint8))
    assert list(found) == ["class", "probability", "agree", "confidence_a", "confidence_b"]
    assert found.empty


def test_the_audit_is_that_of_the_command(trained: tuple[Path, TrainingData]) -> None:
    checkpoint, data = trained
    assert audit.main(AuditArguments(checkpoint)) == 0
    found = codim.audit(checkpoint)
    wanted = pd.read_csv(checkpoint / "label_audit.csv", dtype={"given_label": str, "suggested_label": str})
    assert 0 < len(found) < len(data.images)
    assert found[["index", "part", "given_label", "suggested_label"]].equals(
        wanted[["index", "part", "given_label", "suggested_label"]]
    )


def test_the_export_is_read_without_this_code(trained: tuple[Path, TrainingData], tmp_path: Path) -> None:
    checkpoint, data = trained
    written = codim.export(checkpoint, tmp_path / "model.pt2")
    assert written == tmp_path / "model.pt2"
    probability = torch.export.load(written).module()(data.images[:7]).max(1).values
    found = codim.predict(checkpoint, data.images[:7, 0].numpy())
    assert found["probability"].to_numpy() == pytest.approx(probability.detach().numpy(), abs=1e-4)


def test_what_cannot_be_used_is_told(trained: tuple[Path, TrainingData], tmp_path: Path) -> None:
    checkpoint, data = trained
    images = data.images[:2, 0].numpy()
    with pytest.raises(ValueError, match=r"there is no checkpoint .*nowhere"):
        codim.predict(tmp_path / "nowhere", images)
    with pytest.raises(ValueError, match=r"images: \[6, 8\] pixels, 1 channels; allowed: \[8, 8\], 1"):
        codim.predict(checkpoint, images[:, 2:])
    with pytest.raises(ValueError, match="images: values of type float32; allowed: uint8"):
        codim.predict(checkpoint, images.astype(np.float32))
    with pytest.raises(ValueError, match=r"--output: .*model must end in"):
        codim.export(checkpoint, tmp_path / "model")
