"""Networks: an encoder f, a linear classifier h and a projection head g (d -> d -> projection_dim, unit length)."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codim.inception import inception_resnet_v2
from codim.preact import conv3x3, preact_resnet18
from codim.resnets import resnet
from codim.settings.network import WIDTHS, NetworkConfig

log = logging.getLogger(__name__)


class Network(nn.Module):
    """`net(x)` gives logits (N, K); `net.project(x)` gives embeddings (N, projection_dim) of unit length."""

    def __init__(self, config: NetworkConfig, channels: int, num_classes: int) -> None:
        super().__init__()
        self.precision = config.precision
        self.encoder, dim = ENCODERS[config.name](config, channels)
        self.classifier = nn.Linear(dim, num_classes)
        self.projector = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, config.projection_dim))

    def forward(self, x: Tensor) -> Tensor:
        with self._autocast(x):
            logits: Tensor = self.classifier(self.encoder(x))
        return logits.float()

    def project(self, x: Tensor) -> Tensor:
        with self._autocast(x):
            embeddings: Tensor = self.projector(self.encoder(x))
        return F.normalize(embeddings.float(), dim=1)

    def _autocast(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def small_cnn(channels: int, width: int) -> tuple[nn.Module, int]:
    """Encoder (N, channels, H, W) -> (N, 2 * width), for 8x8 to 32x32 images on a CPU, and its output's length.

    Four 3x3 convolutions in two resolutions.
    """
    layers: list[nn.Module] = []
    shapes = [(channels, width, 1), (width, width, 2), (width, 2 * width, 1), (2 * width, 2 * width, 2)]
    for inputs, outputs, stride in shapes:
        layers += [conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 2 * width


ENCODERS: dict[str, Callable[[NetworkConfig, int], tuple[nn.Module, int]]] = {
    "small_cnn": lambda config, channels: small_cnn(channels, config.width or WIDTHS[config.name]),
    "preact_resnet18": lambda config, channels: preact_resnet18(channels, config.width or WIDTHS[config.name]),
    "resnet18": lambda config, channels: resnet("resnet18", channels, config.stem, config.weights),
    "resnet50": lambda config, channels: resnet("resnet50", channels, config.stem, config.weights),
    "inception_resnet_v2": lambda config, channels: inception_resnet_v2(channels),
}
"""Name -> (settings, channels of the images) -> encoder and its output's length."""


def seeded_network(config: NetworkConfig, channels: int, num_classes: int, seed: int) -> Network:
    """A network whose initial weights depend on the seed alone (and on `weights`, where given); the global random
    state is left as it was.

    Raises:
        ValueError: the file of `weights` does not fit the network or the images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config, channels, num_classes).to(memory_format=torch.channels_last)


def compiled(net: Network, how: Literal["off", "default", "graphs"]) -> Network:
    """`net`, its encoder compiled in place, so that the state dict keeps its names; left as it is where the machine
    cannot compile."""
    if how == "off":
        return net
    reason = _why_not(next(net.parameters()).device.type)
    if reason:
        log.warning("network/compile: %s is not possible here, training goes on without: %s", how, reason)
    else:
        net.encoder.compile(mode="reduce-overhead" if how == "graphs" else "default")
    return net


@cache
def _why_not(device: str) -> str:
    """What goes wrong with a first compilation; empty where nothing does."""
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return ""
