"""Networks: an encoder f, a linear classifier h and a projection head g (d -> d -> projection_dim, unit length)."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from codim.section import Section


class NetworkConfig(Section):
    """The network, the same for both peers."""

    name: Literal["small_cnn", "preact_resnet18"] = "small_cnn"
    """Encoder, see ENCODERS."""
    width: int = Field(default=32, ge=1)
    """Channels of the first stage (PreAct ResNet-18 of the literature: 64)."""
    projection_dim: int = Field(default=128, ge=2)
    """Length of the contrastive embedding."""


class Network(nn.Module):
    """`net(x)` gives logits (N, K); `net.project(x)` gives embeddings (N, projection_dim) of unit length."""

    def __init__(self, config: NetworkConfig, channels: int, num_classes: int) -> None:
        super().__init__()
        self.encoder, dim = ENCODERS[config.name](channels, config.width)
        self.classifier = nn.Linear(dim, num_classes)
        self.projector = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, config.projection_dim))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.encoder(x))
        return logits

    def project(self, x: Tensor) -> Tensor:
        return F.normalize(self.projector(self.encoder(x)), dim=1)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def small_cnn(channels: int, width: int) -> tuple[nn.Module, int]:
    """Four 3x3 convolutions in two resolutions, for images of 8x8 to 32x32 on a CPU."""
    layers: list[nn.Module] = []
    shapes = [(channels, width, 1), (width, width, 2), (width, 2 * width, 1), (2 * width, 2 * width, 2)]
    for inputs, outputs, stride in shapes:
        layers += [_conv(inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 2 * width


class PreActBlock(nn.Module):
    """Pre-activation residual block (He et al. 2016, "Identity mappings in deep residual networks", figure 4e)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), _conv(inputs, outputs, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(outputs), _conv(outputs, outputs)
        keeps_shape = stride == 1 and inputs == outputs
        self.shortcut = None if keeps_shape else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        out: Tensor = self.conv2(F.relu(self.norm2(self.conv1(activated)))) + shortcut
        return out


def preact_resnet18(channels: int, width: int) -> tuple[nn.Module, int]:
    """The encoder of the CIFAR tables of this field: four stages of two blocks, for 32x32 images; 11.2 M weights at
    width 64.

    As in the widely used CIFAR form, no batch norm and no ReLU stand between the last block and the pooling.
    """
    layers: list[nn.Module] = [_conv(channels, width)]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        layers += [PreActBlock(inputs, outputs, 1 if stage == 0 else 2), PreActBlock(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inputs


ENCODERS: dict[str, Callable[[int, int], tuple[nn.Module, int]]] = {
    "small_cnn": small_cnn,
    "preact_resnet18": preact_resnet18,
}


def seeded_network(config: NetworkConfig, channels: int, num_classes: int, seed: int) -> Network:
    """A network whose initial weights depend on the seed alone; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config, channels, num_classes).to(memory_format=torch.channels_last)
