"""Embeddings of images by a pre-trained encoder: what is written, that it trains and predicts, and what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2 import functional

from codim import __main__
from codim.config.data import DataConfig
from codim.data.embeddings import embeddings, unlabelled
from codim.data.load import load_data
from codim.noise.base import NoNoise
from tests.support.pictures import write_lines
from tests.support.registries import restored

MODEL = "timm:test_resnet"  # the centre of 168 pixels, 160
NAMES = [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(6)]


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return timm.create_model("test_resnet").eval()


@pytest.fixture
def desk(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos of two classes and the encoder's weights."""
    generator = np.random.default_rng(0)
    for i, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (168, 168 + 4 * i, 3), dtype=np.uint8)).save(path)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    monkeypatch.setattr("sys.argv", ["codim", *flags])
    return __main__.main()


def embed(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    return command(monkeypatch, "embed", "--encoder", MODEL, "--weights", "w.safetensors", *flags)


def settings_told(said: str) -> dict[str, Any]:
    (line,) = [line for line in said.splitlines() if line.startswith("to train on them: ")]
    found: dict[str, Any] = json.loads(line.removeprefix("to train on them: "))
    return found


def expected(model: Any, name: str) -> torch.Tensor:
    """Return the features of a photo's centre by timm's model, written out; the photos need no scaling."""
    pixels = np.array(Image.open(Path("photos", name)))
    image = functional.center_crop(torch.from_numpy(pixels).permute(2, 0, 1), [160, 160])
    with torch.no_grad():
        features = model.forward_features((image[None] / 255 - 0.5) / 0.5)
        return model.forward_head(features, pre_logits=True)[0]


@pytest.mark.parametrize("output", ["x.npz", "x.parquet", "x.npy"])
def test_what_is_written_is_read_as_embeddings(
    output: str, model: Any, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(monkeypatch, "--images", "photos", "--output", output) == 0
    config = DataConfig.model_validate(settings_told(capsys.readouterr().out)["data"])
    found = embeddings(config)
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0] * 6 + [1] * 6
    assert [found.images.name(i) for i in range(12)] == NAMES
    for i, vector in enumerate(found.images[:]):
        torch.testing.assert_close(vector, expected(model, NAMES[i]), rtol=1e-3, atol=1e-4)
    assert sorted(path.name for path in desk.iterdir() if path.name.startswith((".", "x"))) == sorted(
        {output, *({"x.labels.parquet"} if output == "x.npy" else ())}
    )


def test_parts_and_trusted_labels_of_a_table(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {2: "val", 8: "val", 5: "test", 11: "test"}
    rows = [f"photos/{n},{n[:3]},{parts.get(i, 'train')},{'yes' if i == 3 else ''}" for i, n in enumerate(NAMES)]
    write_lines(desk / "t.csv", "path,label,split,trusted", *rows)
    assert embed(monkeypatch, "--images", "t.csv") == 0
    config = DataConfig.model_validate(settings_told(capsys.readouterr().out)["data"])
    assert config.validation == "official"
    data, truth = load_data(config, NoNoise())
    assert (len(data.train_index), len(data.val_index), len(truth.test_labels)) == (8, 2, 2)
    assert data.trusted is not None
    assert [data.images.name(i) for i in data.trusted.nonzero()] == [f"photos/{NAMES[3]}"]


def test_a_training_on_embeddings_predicts_photos_without_labels(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embed(monkeypatch, "--images", "photos") == 0
    (desk / "new").mkdir()
    for name in NAMES[:3]:
        (desk / "new" / Path(name).name).write_bytes((desk / "photos" / name).read_bytes())
    assert embed(monkeypatch, "--images", "new", "--no-labels", "--output", "new.npz") == 0
    known, new = embeddings(DataConfig(name="embeddings", root=desk / "embeddings.npz")), unlabelled(desk / "new.npz")
    torch.testing.assert_close(new[:], known.images[:3])
    settings = {
        "method": "ce",
        "data": {"name": "embeddings", "root": "embeddings.npz"},
        "train": {"samples": 100, "batch_size": 4},
    }
    (desk / "s.json").write_text(json.dumps(settings))
    assert command(monkeypatch, "--config", "s.json", "--output", "out") == 0
    assert command(monkeypatch, "predict", "--checkpoint", "out", "--images", "new.npz") == 0
    lines = (desk / "predictions.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["file", "0.png", "1.png", "2.png"]


def test_images_of_another_data_set_by_settings(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import codim
    from codim.config.datasets import DatasetFacts
    from codim.data.image_source import ImageSource

    images, labels = np.zeros((4, 3, 32, 32), dtype=np.uint8), np.array([0, 1, 0, 1])
    source = ImageSource(images, labels, images[:1], labels[:1], ("a", "b"))
    (desk / "s.json").write_text(json.dumps({"data": {"name": "small"}, "network": {"input_size": 64}}))
    with restored():
        codim.register_dataset("small", lambda config: source, DatasetFacts())
        assert embed(monkeypatch, "--config", "s.json") == 0
    found = embeddings(DataConfig(name="embeddings", root=desk / "embeddings.npz"))
    assert [found.images.name(i) for i in range(4)] == ["train 0", "train 1", "train 2", "train 3"]
    assert found.test_images.name(0) == "test 0"  # type: ignore[union-attr]


def test_embeddings_that_could_not_be_read_are_not_written(
    model: Any, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = {key: value * float("nan") if value.ndim == 4 else value for key, value in model.state_dict().items()}
    save_file(damaged, desk / "w.safetensors")
    (desk / "embeddings.npz").write_text("from before")
    assert embed(monkeypatch, "--images", "photos") == 2
    assert re.search(
        r"--weights: with .*w\.safetensors the embedding of .*\.png is not finite", capsys.readouterr().err
    )
    assert (desk / "embeddings.npz").read_text() == "from before"
    assert not [path for path in desk.iterdir() if path.name.startswith(".")]


REFUSED: list[tuple[str, str]] = [
    ("", "--images: a folder or a table of images is missing, or --config"),
    ("--no-labels", "--no-labels: --images is missing"),
    ("--images gone", r"gone is not a folder; allowed: a folder with one folder of images per class"),
    ("--images empty", r"empty: the training part has 0 classes \[\]; allowed: 2 or more \(--no-labels embeds"),
    ("--images empty --no-labels", "--images: .*empty holds no image; allowed: .jpg"),
    ("--images w.safetensors", r"w\.safetensors.*\.csv"),
    ("--images photos --encoder airbench", "--encoder: 'airbench'; allowed: timm:MODEL, torchvision:MODEL"),
    ("--images photos --encoder timm:test_resnett", "timm has no model 'test_resnett'; close ones: .*test_resnet"),
    ("--images photos --weights gone.pth", "weights .*gone.pth: the file does not exist"),
    (
        "--images photos --encoder timm:test_vit",
        "w.safetensors does not hold the weights of timm:test_vit: no cls_token",
    ),
    ("--images photos --output x.csv", "--output: x.csv is not a file of embeddings; allowed: .npy"),
    ("--images photos --input-size 1", "network/input_size: .*greater than or equal to 8"),
    ("--config grey.json", "timm:test_resnet takes images of 3 channels, these have 1"),
    ("--config bare.json --images photos", "network: 3; allowed: settings"),
]


@pytest.mark.parametrize(("flags", "message"), REFUSED)
def test_what_it_cannot_work_with_is_named(
    flags: str, message: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "empty").mkdir()
    (desk / "grey.json").write_text('{"data": {"name": "digits"}}')
    (desk / "bare.json").write_text('{"network": 3}')
    before = sorted(path.name for path in desk.iterdir())
    given = flags.split()
    model = [] if "--encoder" in given else ["--encoder", MODEL]
    weights = [] if "--weights" in given else ["--weights", "w.safetensors"]
    assert command(monkeypatch, "embed", *model, *weights, *given) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("codim embed: ")]
    assert re.search(message, said), said
    assert sorted(path.name for path in desk.iterdir()) == before


def test_without_weights_there_is_nothing_to_embed_with(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "embed", "--images", "photos", "--encoder", MODEL) == 2
    assert f"--weights: a file with weights of {MODEL} is missing" in capsys.readouterr().err
