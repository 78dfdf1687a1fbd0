"""Networks: an encoder f, a linear classifier h and a projection head g (d -> d -> projection_dim, unit length)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from codim.config.network import NetworkConfig
from codim.models.airbench import Airbench
from codim.models.encoders import build_encoder
from codim.runtime.device import precision_on

FITTED_IMAGES = 2_000
"""Number of images that `Network.fit` is given."""
log = logging.getLogger(__name__)


class Network(nn.Module):
    """Network of one peer: `net(x)` gives logits (N, K), `net.project(x)` unit vectors (N, projection_dim)."""

    def __init__(self, config: NetworkConfig, channels: int, num_classes: int) -> None:
        super().__init__()
        self.precision = config.precision
        self.encoder, dim = build_encoder(config, channels)
        self.classifier = nn.Linear(dim, num_classes)
        self.projector = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, config.projection_dim))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Fit what the encoder computes from the data before training, if anything: airbench's whitening layer.

        Args:
            images: (N, C, H, W) uint8, without labels.
        """
        if isinstance(self.encoder, Airbench):
            x = images.double() / 255
            std, mean = torch.std_mean(x, (0, 2, 3), keepdim=True)
            self.encoder.whiten.fit((x - mean) / std.clamp(min=1e-3))

    def forward(self, x: Tensor) -> Tensor:
        with self.autocast(x):
            logits: Tensor = self.classifier(self.encoder(x))
        return logits.float()

    def embed(self, x: Tensor) -> Tensor:
        """Return the encoder's output, (N, D) float32."""
        with self.autocast(x):
            embeddings: Tensor = self.encoder(x)
        return embeddings.float()

    def project(self, x: Tensor) -> Tensor:
        with self.autocast(x):
            embeddings: Tensor = self.projector(self.encoder(x))
        return F.normalize(embeddings.float(), dim=1)

    def autocast(self, x: Tensor) -> torch.autocast:
        """Return the context in which products on the device of `x` have the precision of the network."""
        precision = precision_on(x.device, self.precision)
        return torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16")


def seeded_network(config: NetworkConfig, channels: int, num_classes: int, seed: int) -> Network:
    """Build a network whose initial weights depend on the seed alone (and on `weights`, if given); the global random
    state is not changed.

    Raises:
        ValueError: the file `weights` does not fit the network or the images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config, channels, num_classes).to(memory_format=torch.channels_last)


@contextmanager
def kept_running_statistics(net: nn.Module) -> Iterator[None]:
    """Normalise by each batch's own statistics as in training mode, but leave batch norm's running ones unchanged."""
    norms = [(module, module.momentum) for module in net.modules() if isinstance(module, _BatchNorm)]
    for module, _ in norms:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum in norms:
            module.momentum = momentum


def compiled(net: Network, how: Literal["off", "default", "graphs"]) -> Network:
    """Compile the encoder of `net` in place, keeping the state dict's names; no-op if the machine cannot. Returns
    `net`."""
    if how == "off":
        return net
    reason = _why_not(next(net.parameters()).device.type)
    if reason:
        log.warning("network/compile: %s is not available here, training continues without it: %s", how, reason)
    else:
        net.encoder.compile(mode="reduce-overhead" if how == "graphs" else "default")
    return net


@cache
def _why_not(device: str) -> str:
    """Return the error of a first compilation; empty if it succeeds."""
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return ""
