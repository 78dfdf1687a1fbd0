"""Sizes and shapes of the encoders against the literature; weights from a file."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model

from codim.config.network import NetworkConfig, Stem
from codim.models.airbench import Airbench
from codim.models.encoders import ENCODERS
from codim.models.inception_resnet_v2 import SMALLEST, InceptionResNetV2
from codim.models.network import Network, seeded_network
from codim.models.resnet import resnet


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


SIZES = [
    ("airbench", "imagenet", 10, 1_972_514),  # the source's, with batch norm's scales and a bias of the classifier
    ("preact_resnet18", "imagenet", 10, 11_171_274),  # DivideMix's; without its first batch norm 11,171,146
    ("resnet18", "cifar", 10, 11_173_962),  # SupContrast's and C2D's
    ("resnet18", "imagenet", 1000, 11_689_512),  # torchvision
    ("resnet50", "imagenet", 1000, 25_557_032),  # torchvision
    ("inception_resnet_v2", "imagenet", 1000, 55_843_464),  # timm; the 55.8 M of the literature
]


@pytest.mark.parametrize(("name", "stem", "classes", "expected"), SIZES)
def test_encoder_and_classifier_have_the_published_size(name: str, stem: Stem, classes: int, expected: int) -> None:
    with torch.device("meta"):
        net = Network(NetworkConfig(name=name, stem=stem), 3, classes)  # type: ignore[arg-type]
    assert count(net.encoder) + count(net.classifier) == expected
    dim = net.classifier.in_features
    assert count(net.projector) == dim * dim + dim + dim * 128 + 128


def positions(encoder: nn.Module, size: int) -> tuple[int, ...]:
    """Channels, height and width of what reaches the pooling from square images."""
    seen: list[tuple[int, ...]] = []
    pools = [module for module in encoder.modules() if isinstance(module, nn.AdaptiveAvgPool2d)]
    assert len(pools) == 1
    pools[0].register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[1:])))
    with torch.device("meta"):
        encoder.to("meta").eval()(torch.empty(1, 3, size, size))
    return seen[0]


@pytest.mark.parametrize(
    ("name", "stem", "size", "expected"),
    [
        ("small_cnn", "imagenet", 32, (32, 8, 8)),
        ("preact_resnet18", "imagenet", 32, (512, 4, 4)),
        ("resnet18", "cifar", 32, (512, 4, 4)),
        ("resnet50", "cifar", 32, (2048, 4, 4)),
        ("resnet18", "imagenet", 224, (512, 7, 7)),
        ("resnet50", "imagenet", 224, (2048, 7, 7)),
        ("inception_resnet_v2", "imagenet", 299, (1536, 8, 8)),
        ("inception_resnet_v2", "imagenet", SMALLEST, (1536, 1, 1)),
    ],
)
def test_resolution_at_the_end(name: str, stem: Stem, size: int, expected: tuple[int, ...]) -> None:
    encoder, dim = ENCODERS[name](NetworkConfig(name=name, stem=stem), 3)  # type: ignore[arg-type]
    assert positions(encoder, size) == expected
    assert dim == expected[0]


def test_stages_of_inception_resnet_v2() -> None:
    """The shapes of the released code, from 299x299 pixels."""
    with torch.device("meta"):
        x = torch.empty(2, 3, 299, 299)
        found: dict[str, tuple[int, ...]] = {}
        for name, stage in InceptionResNetV2(3).named_children():
            x = stage(x)
            found[name] = tuple(x.shape[1:])
    assert found == {
        "stem": (192, 35, 35),
        "mixed": (320, 35, 35),
        "blocks_a": (320, 35, 35),
        "reduction_a": (1088, 17, 17),
        "blocks_b": (1088, 17, 17),
        "reduction_b": (2080, 8, 8),
        "blocks_c": (2080, 8, 8),
        "last": (1536, 8, 8),
        "pool": (1536, 1, 1),
        "flat": (1536,),
    }


@pytest.mark.parametrize("size", [(8, 8), (74, 299), (299, 74)])
def test_inception_resnet_v2_names_the_smallest_image(size: tuple[int, int]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=f"at least 75x75 pixels, found {size[0]}x{size[1]}"):
        InceptionResNetV2(3)(torch.empty(2, 3, *size))


Saved = dict[str, Tensor]


@pytest.fixture(scope="module")
def saved() -> Saved:
    torch.manual_seed(0)
    model = get_model("resnet18", weights=None)
    with torch.no_grad():
        model.train()(torch.rand(4, 3, 32, 32))  # batch norm's statistics off their start
    weights: Saved = model.state_dict()
    return weights


def network(path: Path, channels: int = 3, seed: int = 0) -> Network:
    return seeded_network(NetworkConfig(name="resnet18", weights=path), channels, 7, seed)


def older(saved: Saved) -> Saved:
    """As torchvision saved before it counted batches, and without a classifier."""
    return {k: v for k, v in saved.items() if not k.endswith("num_batches_tracked") and not k.startswith("fc.")}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", [dict, older])
def test_weights_from_a_file(tmp_path: Path, saved: Saved, form: Any, zipped: bool) -> None:
    path = tmp_path / "resnet18.pth"
    torch.save(form(saved), path, _use_new_zipfile_serialization=zipped)
    one, other = (network(path, seed=seed).eval() for seed in (0, 1))
    model = get_model("resnet18", weights=None).eval()
    model.load_state_dict(saved)
    model.fc = nn.Identity()
    x = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(one.encoder(x), model(x), rtol=1e-4, atol=1e-5)
        assert torch.equal(one.encoder(x), other.encoder(x))
    assert not torch.equal(one.classifier.weight, other.classifier.weight)


def test_weights_are_for_colour_images(tmp_path: Path, saved: Saved) -> None:
    torch.save(saved, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"network/weights: .*w\.pth is for images of 3 channels, these have 1"):
        network(tmp_path / "w.pth", channels=1)


FAULTS: dict[str, tuple[Any, str]] = {
    "wrapped": (lambda saved: {"state_dict": saved}, "no conv1.weight; no bn1.weight; no bn1.bias and "),
    "lost": (lambda saved: {k: v for k, v in saved.items() if k != "bn1.bias"}, "no bn1.bias$"),
    "more": (lambda saved: {**saved, "layer5.0.conv1.weight": torch.zeros(1)}, "unknown layer5.0.conv1.weight$"),
    "shape": (
        lambda saved: {**saved, "conv1.weight": torch.zeros(64, 1, 7, 7)},
        r"conv1.weight is \(64, 1, 7, 7\), not \(64, 3, 7, 7\)$",
    ),
    "number": (lambda saved: {**saved, "bn1.bias": 3}, r"bn1.bias is int, not \(64,\)$"),
    "tensor": (lambda saved: saved["conv1.weight"], "it holds a Tensor$"),
    "resnet50": (
        lambda _: get_model("resnet50", weights=None).state_dict(),
        r"unknown layer1.0.conv3.weight; .* more$",
    ),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_file_of_something_else(tmp_path: Path, saved: Saved, fault: str) -> None:
    content, message = FAULTS[fault]
    path = tmp_path / "w.pth"
    torch.save(content(saved), path)
    with pytest.raises(ValueError, match=f"network/weights: .*w.pth is not a state dict of torchvision's.*{message}"):
        network(path)


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("executed",)


@pytest.mark.parametrize("damage", ["truncated", "empty", "code"])
def test_a_damaged_or_dangerous_file(tmp_path: Path, saved: Saved, damage: str) -> None:
    path = tmp_path / "w.pth"
    if damage == "code":
        path.write_bytes(pickle.dumps({"conv1.weight": Bomb()}, protocol=2))
    else:
        torch.save(saved, path)
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else 100_000])
    with pytest.raises(ValueError, match=r"network/weights: .*w.pth cannot be read as .*torchvision's resnet18"):
        network(path)


def test_cifars_stem_starts_as_the_other_convolutions_do() -> None:
    """Normal with variance 2 / fan-out (He et al. 2015, "Delving deep into rectifiers"), as in SupContrast's code."""
    torch.manual_seed(0)
    encoder, _ = resnet("resnet18", 3, "cifar", None)
    conv1: Any = encoder.conv1
    assert conv1.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.06)


def test_airbench_whitens_the_patches_of_its_data() -> None:
    """The first half of the channels is uncorrelated and of unit variance; the second is its negative."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (64, 3, 12, 12), generator=generator, dtype=torch.uint8)
    images[:, 1] = images[:, 0] // 2 + images[:, 1] // 2  # correlated channels
    net = seeded_network(NetworkConfig(name="airbench", width=4), 3, 10, 0)
    net.fit(images)
    x = images.float() / 255
    std, mean = torch.std_mean(x, (0, 2, 3), keepdim=True)
    assert isinstance(net.encoder, Airbench)
    whitened = net.encoder.whiten((x - mean) / std).transpose(0, 1).flatten(1)
    torch.testing.assert_close(whitened[:12].cov(), torch.eye(12), atol=0.02, rtol=0)
    assert torch.equal(whitened[12:], -whitened[:12])


def test_airbench_says_what_it_needs() -> None:
    net = seeded_network(NetworkConfig(name="airbench", width=4), 1, 10, 0)
    with pytest.raises(ValueError, match="airbench needs images of at least 9x9 pixels, found 8x8"):
        net(torch.zeros(2, 1, 8, 8))
