"""Registry of encoders by name, and the small CNN."""

from collections.abc import Callable

from torch import nn

from codim.config.network import ENCODER_FACTS, EncoderFacts, NetworkConfig
from codim.config.pretrained import library_of
from codim.models.airbench import airbench
from codim.models.preact_resnet import conv3x3, preact_resnet18
from codim.models.pretrained import pretrained
from codim.models.vectors import identity, mlp


def small_cnn(channels: int, width: int) -> tuple[nn.Module, int]:
    """Return the encoder (N, channels, H, W) -> (N, 2 * width), for 8x8 to 32x32 images on a CPU, and its output size.

    Four 3x3 convolutions at two resolutions.
    """
    layers: list[nn.Module] = []
    shapes = [(channels, width, 1), (width, width, 2), (width, 2 * width, 1), (2 * width, 2 * width, 2)]
    for inputs, outputs, stride in shapes:
        layers += [conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 2 * width


Build = Callable[[NetworkConfig, int], tuple[nn.Module, int]]
"""Build function of an encoder: (settings, channels of the images or numbers of an embedding) -> encoder and its output
size."""
ENCODERS: dict[str, Build] = {
    "small_cnn": lambda config, channels: small_cnn(channels, config.channels),
    "airbench": lambda config, channels: airbench(channels, config.channels),
    "preact_resnet18": lambda config, channels: preact_resnet18(channels, config.channels),
    "mlp": lambda config, dim: mlp(dim, config.channels),
    "identity": lambda config, dim: identity(dim),
}
"""Build functions by name; the facts about each encoder are in codim/config/network.py."""


def build_encoder(config: NetworkConfig, channels: int) -> tuple[nn.Module, int]:
    """Build the encoder that the settings name; return it and its output size. Raises ValueError as `pretrained`."""
    build = pretrained if library_of(config.name) else ENCODERS[config.name]
    return build(config, channels)


def register_encoder(name: str, build: Build, facts: EncoderFacts) -> None:
    """Register an encoder, so that `network/name` may name it.

    Each process that builds it must do so, the workers of a study too.

    Example:
        >>> import codim
        >>> def shallow(config: NetworkConfig, channels: int) -> tuple[nn.Module, int]:
        ...     layers = nn.Conv2d(channels, config.channels, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten()
        ...     return nn.Sequential(*layers), config.channels
        >>> codim.register_encoder("shallow", shallow, EncoderFacts(width=32))
        >>> codim.train_config({"network": {"name": "shallow", "width": 64}}).network.channels
        64
    """
    ENCODERS[name], ENCODER_FACTS[name] = build, facts
