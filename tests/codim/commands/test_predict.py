"""Classes of image files: the same as of the arrays they were made from; odd files; what cannot be read."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from codim.commands import predict
from codim.commands.arguments import PredictArguments
from codim.commands.predict import images_in
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.images import decode
from codim.data.images.decode import read_image
from codim.data.load import TrainingData
from codim.training.checkpoint import InputSpec, load_trained, save_checkpoint
from tests.support.runs import train


@pytest.fixture
def trained(tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path) -> tuple[Path, TrainingData]:
    """The path of a checkpoint, and its data."""
    config, data = tiny({"method": "ce", "train": {"samples": 400}})
    _, state = train(config, data)
    spec = InputSpec.of(data, Augmenter.fit(config.augment, data.images))
    save_checkpoint(tmp_path / "run" / "checkpoint.pt", config, state, spec)
    return tmp_path / "run" / "checkpoint.pt", data


def command(checkpoint: Path, images: Path, output: Path) -> int:
    return predict.main(PredictArguments(checkpoint, images, output))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_holds_what_the_networks_say(
    trained: tuple[Path, TrainingData],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint, data = trained
    monkeypatch.setattr(decode, "BLOCK", 4)
    folder = tmp_path / "images"
    names = [f"{'b/c' if k % 2 else 'a'}/{k:02}.{'PNG' if k % 3 else 'bmp'}" for k in range(10)]
    for name, image in zip(names, data.images, strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    assert command(checkpoint, folder, tmp_path / "out" / "p.csv") == 0
    found = rows(tmp_path / "out" / "p.csv")
    assert list(found[0]) == ["file", "class", "probability", "agree", "confidence_a", "confidence_b"]
    assert [row["file"] for row in found] == sorted(names)
    model = load_trained(checkpoint, torch.device("cpu"))
    for row in found:
        x = model.augmenter.plain(data.images[names.index(row["file"])][None])
        with torch.no_grad():
            a, b = (net(x)[0] for net in model.networks)
        label = int((a + b).argmax())
        assert row["class"] == str(label)
        expected = [((a + b) / 2).softmax(0)[label], a.softmax(0)[label], b.softmax(0)[label]]
        numbers = [float(row[name]) for name in ("probability", "confidence_a", "confidence_b")]
        assert numbers == pytest.approx([float(p) for p in expected], abs=2e-6)
        assert row["agree"] == str(int(a.argmax()) == int(b.argmax()) == label).lower()
    said = capsys.readouterr().out.splitlines()[1:]
    for line, (label_found, count) in zip(said, Counter(row["class"] for row in found).most_common(), strict=True):
        agree = sum(row["agree"] == "true" for row in found if row["class"] == label_found)
        assert line.split() == [
            str(count),
            f"{label_found},",
            f"{agree / count:.0%}",
            *["of", "them", "by", "both", "networks"],
        ]


def test_what_cannot_be_read_is_named_and_the_rest_is_predicted(
    trained: tuple[Path, TrainingData], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, _ = trained
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (300, 200), "white").save(folder / "good.jpg")
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:700])
    (folder / "text.png").write_text("no image")
    assert command(checkpoint, folder, tmp_path / "p.csv") == 1
    assert [row["file"] for row in rows(tmp_path / "p.csv")] == ["good.jpg"]
    said = capsys.readouterr().err
    assert all(str(folder / name) in said for name in ("cut.jpg", "text.png"))
    (folder / "good.jpg").unlink()
    (tmp_path / "p.csv").unlink()
    with pytest.raises(ValueError, match="none of the 2 images"):
        command(checkpoint, folder, tmp_path / "p.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"run", "images"}, "half a table was left"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no image; allowed: \.jpg"):
        images_in(tmp_path)
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        images_in(tmp_path / "nowhere")


def test_the_middle_is_cut_out_and_scaled(tmp_path: Path) -> None:
    """60 x 20, three squares side by side: the one in the middle is seen at any size (its edges blend with the
    neighbours where it is scaled)."""
    squares = np.repeat(np.array([[10, 120, 240]], dtype=np.uint8), 20, axis=1).repeat(20, axis=0)
    Image.fromarray(squares).save(tmp_path / "x.png")
    for side in (5, 20, 40):
        assert (read_image(tmp_path / "x.png", (1, side, side))[:, :, 1:-1] == 120).all()
    assert read_image(tmp_path / "x.png", (1, 4, 12))[0, :, [1, 5, 6, 10]].T.tolist() == [[10, 120, 120, 240]] * 4


@pytest.mark.parametrize(
    ("mode", "colour", "grey", "rgb"),
    [
        ("L", 200, 200, (200, 200, 200)),
        ("RGB", (255, 0, 0), 76, (255, 0, 0)),
        ("RGBA", (255, 0, 0, 9), 76, (255, 0, 0)),
        ("LA", (200, 9), 200, (200, 200, 200)),
        ("P", 0, 0, (0, 0, 0)),
        ("1", 1, 255, (255, 255, 255)),
        ("I;16", 200 * 257, 200, (200, 200, 200)),
    ],
)
def test_modes(tmp_path: Path, mode: str, colour: int, grey: int, rgb: tuple[int, int, int]) -> None:
    Image.new(mode, (6, 6), colour).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", (1, 3, 3)).tolist() == [[[grey] * 3] * 3]
    assert read_image(tmp_path / "x.png", (3, 3, 3)).tolist() == [[[value] * 3] * 3 for value in rgb]


def test_upright_by_its_tag(tmp_path: Path) -> None:
    pixels = np.array([[0, 90], [180, 250]], dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees clockwise to be seen
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    assert read_image(tmp_path / "x.png", (1, 2, 2))[0].tolist() == [[180, 0], [250, 90]]


def test_a_large_jpeg_is_read_as_the_whole_one_scaled(tmp_path: Path) -> None:
    """Pillow may decode it at a part of its size."""
    ramp = np.linspace(0, 255, 640).astype(np.uint8)[None].repeat(480, axis=0)
    Image.fromarray(ramp).convert("RGB").save(tmp_path / "x.jpg", quality=95)
    found = read_image(tmp_path / "x.jpg", (3, 6, 8)).astype(int)
    expected = ramp.reshape(480, 8, 80).mean((0, 2))
    assert np.abs(found - expected).max() <= 4
