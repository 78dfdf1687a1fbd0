"""Inception-ResNet-v2 (Szegedy et al. 2016, arXiv 1602.07261), the encoder of published WebVision results.

This is the network that the authors released in TF-slim and that DivideMix uses, without the auxiliary head. It differs
from the paper's figures in the stem (a single path, then a module of four), in the number of residual blocks (10, 20,
10 instead of 5, 10, 5), in their channels (320, 1088, 2080 instead of 384, 1154, 2048) and in a last 1x1 convolution.
Batch norm has TF-slim's epsilon; its momentum is torch's default, as in DivideMix.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

SMALLEST = 75
"""Smallest height and width in pixels, leaving one position at the end; the design size 299 leaves 8x8."""

Conv = tuple[int, int, int]
"""Convolution as (output channels, kernel height, kernel width)."""

MIXED: list[list[Conv]] = [[(96, 1, 1)], [(48, 1, 1), (64, 5, 5)], [(64, 1, 1), (96, 3, 3), (96, 3, 3)]]
BLOCK_A: list[list[Conv]] = [[(32, 1, 1)], [(32, 1, 1), (32, 3, 3)], [(32, 1, 1), (48, 3, 3), (64, 3, 3)]]
REDUCTION_A: list[list[Conv]] = [[(384, 3, 3)], [(256, 1, 1), (256, 3, 3), (384, 3, 3)]]
BLOCK_B: list[list[Conv]] = [[(192, 1, 1)], [(128, 1, 1), (160, 1, 7), (192, 7, 1)]]
REDUCTION_B: list[list[Conv]] = [
    [(256, 1, 1), (384, 3, 3)],
    [(256, 1, 1), (288, 3, 3)],
    [(256, 1, 1), (288, 3, 3), (320, 3, 3)],
]
BLOCK_C: list[list[Conv]] = [[(192, 1, 1)], [(192, 1, 1), (224, 1, 3), (256, 3, 1)]]


def _unit(inputs: int, conv: Conv, stride: int = 1, padded: bool = True) -> nn.Module:
    outputs, height, width = conv
    padding = (height // 2, width // 2) if padded else 0
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
        nn.ReLU(inplace=True),
    )


def _path(inputs: int, convs: list[Conv], stride: int = 1) -> nn.Module:
    """Chain convolutions; the stride applies to the last one, which then has no padding."""
    channels = [inputs, *(conv[0] for conv in convs)]
    units = [_unit(n, conv) for n, conv in zip(channels, convs[:-1], strict=False)]
    return nn.Sequential(*units, _unit(channels[-2], convs[-1], stride, padded=stride == 1))


class Concat(nn.ModuleList):
    """Parallel paths whose outputs are concatenated along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([path(x) for path in self], dim=1)


class Residual(nn.Module):
    """Residual block: activation(x + scale * (1x1 convolution with bias of the paths)), scaled for stable training (the
    paper's section 3.3)."""

    def __init__(self, channels: int, paths: list[list[Conv]], scale: float, activation: nn.Module) -> None:
        super().__init__()
        self.paths = Concat(_path(channels, convs) for convs in paths)
        self.expand = nn.Conv2d(sum(convs[-1][0] for convs in paths), channels, 1)
        self.scale, self.activation = scale, activation

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(torch.add(x, self.expand(self.paths(x)), alpha=self.scale))
        return out


def _blocks(number: int, channels: int, paths: list[list[Conv]], scale: float) -> list[Residual]:
    return [Residual(channels, paths, scale, nn.ReLU(inplace=True)) for _ in range(number)]


def _stem(channels: int) -> nn.Module:
    return nn.Sequential(
        _unit(channels, (32, 3, 3), stride=2, padded=False),
        _unit(32, (32, 3, 3), padded=False),
        _unit(32, (64, 3, 3)),
        nn.MaxPool2d(3, 2),
        _unit(64, (80, 1, 1)),
        _unit(80, (192, 3, 3), padded=False),
        nn.MaxPool2d(3, 2),
    )


def _mixed() -> nn.Module:
    pooled = nn.Sequential(nn.AvgPool2d(3, 1, padding=1, count_include_pad=False), _unit(192, (64, 1, 1)))
    return Concat([*(_path(192, convs) for convs in MIXED), pooled])


def _reduction(channels: int, paths: list[list[Conv]]) -> nn.Module:
    return Concat([*(_path(channels, convs, stride=2) for convs in paths), nn.MaxPool2d(3, 2)])


class InceptionResNetV2(nn.Sequential):
    """Inception-ResNet-v2 encoder (N, channels, H, W) -> (N, 1536). Raises ValueError for images below 75 pixels."""

    def __init__(self, channels: int) -> None:
        last_block = Residual(2080, BLOCK_C, 1.0, nn.Identity())
        super().__init__(
            OrderedDict(
                stem=_stem(channels),
                mixed=_mixed(),
                blocks_a=nn.Sequential(*_blocks(10, 320, BLOCK_A, 0.17)),
                reduction_a=_reduction(320, REDUCTION_A),
                blocks_b=nn.Sequential(*_blocks(20, 1088, BLOCK_B, 0.1)),
                reduction_b=_reduction(1088, REDUCTION_B),
                blocks_c=nn.Sequential(*_blocks(9, 2080, BLOCK_C, 0.2), last_block),
                last=_unit(2080, (1536, 1, 1)),
                pool=nn.AdaptiveAvgPool2d(1),
                flat=nn.Flatten(),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if min(height, width) < SMALLEST:
            raise ValueError(
                f"network/name: inception_resnet_v2 needs images of at least {SMALLEST}x{SMALLEST} pixels, "
                f"found {height}x{width}"
            )
        for stage in self:
            x = stage(x)
        return x


def inception_resnet_v2(channels: int) -> tuple[nn.Module, int]:
    """Build the encoder; return it and its output size."""
    return InceptionResNetV2(channels), 1536
