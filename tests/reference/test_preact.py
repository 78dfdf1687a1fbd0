"""PreAct ResNet-18 against a transcription of the network that DivideMix's tables were made with (its PreResNet.py)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from codim.models.preact_resnet import preact_resnet18

STAGES = [(0, 4, 1), (0, 4, 1), (4, 8, 2), (8, 8, 1), (8, 16, 2), (16, 16, 1), (16, 32, 2), (32, 32, 1)]
"""Channels in and out (0: the stem's) and stride of the eight blocks at width 4."""


def oracle(x: Tensor, weights: list[Tensor]) -> Tensor:
    """In evaluation mode; `weights` in the order in which they are used, batch norm's as weight, bias, mean, variance,
    batch counter. A block's 1x1 convolution, where it has one, comes last."""
    rest = iter(weights)

    def bn(x: Tensor) -> Tensor:
        gamma, beta, mean, variance, _ = (next(rest)[..., None, None] for _ in range(5))
        return gamma * (x - mean) / torch.sqrt(variance + 1e-5) + beta

    x = F.relu(bn(F.conv2d(x, next(rest), padding=1)))
    for inputs, outputs, stride in STAGES:
        a = F.relu(bn(x))
        first = F.conv2d(a, next(rest), stride=stride, padding=1)
        second = F.conv2d(F.relu(bn(first)), next(rest), padding=1)
        changes_shape = stride == 2 or inputs not in (0, outputs)
        x = second + (F.conv2d(a, next(rest), stride=stride) if changes_shape else a)
    assert next(rest, None) is None
    return F.avg_pool2d(x, 4)[:, :, 0, 0]


def test_preact_resnet18_is_the_networks_of_the_tables() -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    encoder, dim = preact_resnet18(3, 4)
    encoder.double().train()
    for _ in range(3):  # move batch norm's statistics off their start
        encoder(3 + torch.randn(8, 3, 32, 32, generator=generator, dtype=torch.float64))
    encoder.eval()
    x = torch.randn(5, 3, 32, 32, generator=generator, dtype=torch.float64)
    found = encoder(x)
    assert found.shape == (5, dim) == (5, 32)
    torch.testing.assert_close(found, oracle(x, list(encoder.state_dict().values())), rtol=1e-12, atol=1e-12)
