"""Encoders of timm and torchvision: their outputs beside the libraries' own, and weights from a file."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import get_model

from codim import extras
from codim.config.network import NetworkConfig
from codim.config.pretrained import PLANNED, described, model_input
from codim.config.train_config import train_config
from codim.data.feature_views import fitted_augmenter
from codim.models.encoders import build_encoder
from codim.models.network import Network, seeded_network

Saved = dict[str, Tensor]


def network(name: str, path: Path | None, channels: int = 3, seed: int = 0, side: int | None = 32) -> Network:
    return seeded_network(NetworkConfig(name=name, weights=path, input_size=side), channels, 7, seed)  # type: ignore[arg-type]


def moved(model: nn.Module) -> nn.Module:
    """Move batch norm's statistics off their start."""
    with torch.no_grad():
        model.train()(torch.rand(4, 3, 64, 64))
    return model.eval()


@pytest.fixture(scope="module")
def saved() -> Saved:
    torch.manual_seed(0)
    weights: Saved = moved(get_model("resnet18", weights=None)).state_dict()
    return weights


def features_of_resnet(model: Any, x: Tensor) -> Tensor:
    model.fc = nn.Identity()
    out: Tensor = model(x)
    return out


def features_of_squeezenet(model: Any, x: Tensor) -> Tensor:
    out: Tensor = model.features(x).mean((2, 3))
    return out


def features_of_vgg(model: Any, x: Tensor) -> Tensor:
    out: Tensor = model.classifier[:6](model.avgpool(model.features(x)).flatten(1))
    return out


def features_of_timm(model: Any, x: Tensor) -> Tensor:
    out: Tensor = model.forward_head(model.forward_features(x), pre_logits=True)
    return out


FEATURES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "torchvision:resnet18": features_of_resnet,
    "torchvision:squeezenet1_1": features_of_squeezenet,
    "torchvision:vgg11": features_of_vgg,
    "timm:resnet10t": features_of_timm,
    "timm:mobilenetv3_small_050": features_of_timm,
    "timm:test_vit": features_of_timm,
    "timm:levit_128s": features_of_timm,  # its classifier has a batch norm of its own
}
ONE_SIZE = {"timm:test_vit": 160, "timm:levit_128s": 224}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", list(FEATURES))
def test_features_are_those_of_the_library_with_the_same_weights(tmp_path: Path, name: str, suffix: str) -> None:
    torch.manual_seed(0)
    library, model = name.split(":")
    side = ONE_SIZE.get(name, 64)
    theirs: Any = timm.create_model(model) if library == "timm" else get_model(model, weights=None)
    if side == 64:
        moved(theirs)
    path = tmp_path / f"w{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(theirs.state_dict(), path)
    one, other = (network(name, path, seed=seed, side=side).eval() for seed in (0, 1))
    x = torch.rand(2, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(one.encoder(x), FEATURES[name](theirs.eval(), x), rtol=1e-4, atol=1e-5)
        assert torch.equal(one.encoder(x), other.encoder(x))
    assert not torch.equal(one.classifier.weight, other.classifier.weight)


@pytest.mark.parametrize("name", ["timm:swin_tiny_patch4_window7_224", "torchvision:efficientnet_b0"])
def test_nothing_is_dropped_at_random(name: str) -> None:
    """Both libraries' models drop whole blocks by default, from torch's global generator."""
    net = network(name, None, side=None).train()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(net(x), net(x))


def test_weights_for_one_size_serve_another(tmp_path: Path) -> None:
    """timm scales the embeddings of a transformer's positions, as it does when it downloads weights."""
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "w.pth")
    assert network("timm:test_vit", tmp_path / "w.pth", side=96)(torch.rand(2, 3, 32, 32)).shape == (2, 7)


def test_images_are_scaled_and_normalised_as_the_weights_expect() -> None:
    config = train_config({"network": {"name": "timm:test_vit"}, "data": {"name": "cifar10"}})
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    x = fitted_augmenter(config, images).plain(images)
    torch.testing.assert_close(x, images / 127.5 - 1)
    seen: list[Tensor] = []
    encoder: Any = build_encoder(config.network, 3)[0]
    encoder[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    encoder(x)
    assert seen[0].shape == (3, 3, 160, 160)
    torch.testing.assert_close(seen[0].mean((2, 3)), x.mean((2, 3)), atol=0.02, rtol=0)


def test_what_published_weights_expect() -> None:
    """The values of the libraries' own transforms, as far as they stand here, too."""
    assert all(described(name) == planned for name, planned in PLANNED.items())
    assert model_input("torchvision:resnet50") == (224, 232, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert model_input("timm:inception_resnet_v2") == (299, 333, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_without_timm_a_message_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRAS, "encoders", ("not_there",))
    model_input.cache_clear()
    with pytest.raises(ValueError, match=r"network/name: timm:resnet18 needs .*pip install 'codim-study\[encoders\]'"):
        train_config({"network": {"name": "timm:resnet18"}})


def older(saved: Saved) -> Saved:
    """As torchvision saved before it counted batches, and without a classifier."""
    return {k: v for k, v in saved.items() if not k.endswith("num_batches_tracked") and not k.startswith("fc.")}


def test_older_files_are_read(tmp_path: Path, saved: Saved) -> None:
    new, old = tmp_path / "new.pth", tmp_path / "old.pth"
    torch.save(saved, new)
    torch.save(older(saved), old, _use_new_zipfile_serialization=False)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        found = [network("torchvision:resnet18", path).eval().encoder(x) for path in (new, old)]
    assert torch.equal(*found)


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet10t"])
def test_encoders_of_others_are_for_colour_images(name: str) -> None:
    with pytest.raises(ValueError, match=f"network/name: {name} takes images of 3 channels, these have 1"):
        network(name, None, channels=1)


@pytest.mark.parametrize(
    ("name", "side"), [("timm:test_vit", 35), ("torchvision:squeezenet1_1", 8), ("torchvision:vit_b_32", 64)]
)
def test_sides_that_a_model_cannot_take_are_named(name: str, side: int) -> None:
    with pytest.raises(ValueError, match=f"network/input_size: {name} cannot take images of {side}x{side} pixels: "):
        network(name, None, side=side)


FAULTS: dict[str, tuple[Any, str]] = {
    "wrapped": (lambda saved: {"net": saved}, "no conv1.weight; no bn1.weight; no bn1.bias and "),
    "lost": (lambda saved: {k: v for k, v in saved.items() if k != "bn1.bias"}, "no bn1.bias$"),
    "more": (lambda saved: {**saved, "layer5.0.conv1.weight": torch.zeros(1)}, "unknown layer5.0.conv1.weight$"),
    "shape": (
        lambda saved: {**saved, "conv1.weight": torch.zeros(64, 1, 7, 7)},
        r"conv1.weight is \(64, 1, 7, 7\), not \(64, 3, 7, 7\)$",
    ),
    "number": (lambda saved: {**saved, "bn1.bias": 3}, r"bn1.bias is int, not \(64,\)$"),
    "tensor": (lambda saved: saved["conv1.weight"], "but a Tensor$"),
    "resnet50": (
        lambda _: get_model("resnet50", weights=None).state_dict(),
        r"unknown layer1.0.conv3.weight; .* more$",
    ),
}


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "teacher"])
def test_weights_among_the_rest_of_a_training(tmp_path: Path, saved: Saved, wrapper: str) -> None:
    torch.save(saved, tmp_path / "plain.pth")
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}, wrapper: saved}, tmp_path / "w.pth")
    plain, found = (network("torchvision:resnet18", tmp_path / name) for name in ("plain.pth", "w.pth"))
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in found.state_dict().items())


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_file_of_something_else(tmp_path: Path, saved: Saved, fault: str, name: str) -> None:
    """Both libraries give ResNet-18's weights the same names."""
    content, message = FAULTS[fault]
    path = tmp_path / "w.pth"
    torch.save(content(saved), path)
    with pytest.raises(ValueError, match=f"network/weights: .*w.pth does not hold the weights of {name}.*{message}"):
        network(name, path)


def test_weights_of_another_kind_of_model(tmp_path: Path, saved: Saved) -> None:
    save_file(saved, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"does not hold the weights of timm:test_vit: no cls_token; .* more$"):
        network("timm:test_vit", tmp_path / "w.safetensors", side=160)


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("executed",)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "code", "text"])
def test_a_damaged_or_dangerous_file(
    tmp_path: Path, saved: Saved, damage: str, suffix: str, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / f"w{suffix}"
    if damage == "code":
        path.write_bytes(pickle.dumps({"conv1.weight": Bomb()}, protocol=4))
    elif damage == "text":
        path.write_text("{}")
    else:
        torch.save(saved, path)
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else 100_000])
    with pytest.raises(ValueError, match=rf"network/weights: .*w{suffix} cannot be read") as refused:
        network("torchvision:resnet18", path)
    assert "\n" not in str(refused.value)
    assert not recwarn.list
