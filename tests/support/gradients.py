"""Gradients of the networks through oneDNN beside those without it; a program, since a fault may end the process.

python gradients.py THREADS NAME:WIDTH ...: prints, for each network (WIDTH may be empty), the largest error of any
weight's gradient as a share of that gradient's largest entry.
"""

import sys

import torch
import torch.nn.functional as F

from codim.config.network import NetworkConfig
from codim.models.network import Network, seeded_network

PIXELS = {
    "small_cnn": 16,
    "airbench": 16,
    "preact_resnet18": 16,
    "mlp": 0,
    "identity": 0,
}
"""Side of the images of each network; 0: it takes embeddings."""


def gradients(net: Network, x: torch.Tensor, oracle: bool) -> list[torch.Tensor]:
    net.zero_grad()
    with torch.backends.mkldnn.flags(enabled=not oracle):
        (net(x).square().sum() + net.project(x)[:, 0].sum()).backward()
    return [parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None]


def largest_error(name: str, width: int | None) -> float:
    # In evaluation mode, so that the statistics of a few images do not magnify rounding.
    net = seeded_network(NetworkConfig(name=name, width=width, projection_dim=4), 3, 5, 0).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    side = PIXELS[name]
    x = torch.randn(4, 3, *[side, side] * bool(side), generator=generator)
    x = x.to(memory_format=torch.channels_last) if side else x
    pairs = zip(gradients(net, x, oracle=False), gradients(net, x, oracle=True), strict=True)
    return max(((own - right).abs().max() / right.abs().max()).item() for own, right in pairs)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    F.relu = lambda x, inplace=False: F.softplus(x)  # a sum that rounding moves across 0 would change gradients at once
    for wanted in sys.argv[2:]:
        name, _, width = wanted.partition(":")
        print(largest_error(name, int(width) if width else None), flush=True)
