"""Sizes and shapes of the encoders against the literature."""

from typing import Any

import pytest
import torch
from torch import nn

from codim.config.network import NetworkConfig, Stem
from codim.models.airbench import Airbench
from codim.models.encoders import build_encoder
from codim.models.network import Network, seeded_network


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


SIZES = [
    ("airbench", "imagenet", 10, 1_972_514),  # the source's, with batch norm's scales and a bias of the classifier
    ("preact_resnet18", "imagenet", 10, 11_171_274),  # DivideMix's; without its first batch norm 11,171,146
    ("torchvision:resnet18", "cifar", 10, 11_173_962),  # SupContrast's and C2D's
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
        ("torchvision:resnet18", "cifar", 32, (512, 4, 4)),
        ("torchvision:resnet50", "cifar", 32, (2048, 4, 4)),
        ("torchvision:resnet50", "imagenet", 224, (2048, 7, 7)),
    ],
)
def test_resolution_at_the_end(name: str, stem: Stem, size: int, expected: tuple[int, ...]) -> None:
    encoder, dim = build_encoder(NetworkConfig(name=name, stem=stem), 3)  # type: ignore[arg-type]
    assert positions(encoder, size) == expected
    assert dim == expected[0]


def test_cifars_stem_starts_as_the_other_convolutions_do() -> None:
    """Normal with variance 2 / fan-out (He et al. 2015, "Delving deep into rectifiers"), as in SupContrast's code."""
    torch.manual_seed(0)
    encoder, _ = build_encoder(NetworkConfig(name="torchvision:resnet18", stem="cifar"), 3)  # type: ignore[arg-type]
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
