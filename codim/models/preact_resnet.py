"""PreAct ResNet-18 in the form of DivideMix's code (PreResNet.py), which this field's CIFAR tables were made with."""

import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


NARROW = 16
"""Input channels below which oneDNN does not fill a block of its strided 1x1 kernels: 8 with AVX2, 16 with AVX-512."""


class SubsampledConv2d(nn.Conv2d):
    """1x1 convolution of every `step`-th pixel: what a 1x1 convolution of stride `step` computes."""

    def __init__(self, inputs: int, outputs: int, step: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, :: self.step, :: self.step])


def conv1x1(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    """1x1 convolution without bias."""
    # On a CPU the weight gradient of a strided one in channels-last format, with 2 to 7 input channels and AVX2,
    # writes past its memory: a crash, or a wrong gradient without a word (uxlfoundation/oneDNN#6035, torch 2.15).
    if stride > 1 and inputs < NARROW:
        return SubsampledConv2d(inputs, outputs, stride)
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class PreActBlock(nn.Module):
    """conv(relu(bn(conv(a)))) + shortcut(a) with a = relu(bn(x)); the shortcut is a 1x1 convolution where the shape
    changes.

    Where the shape stays, a itself is carried over. Pre-activation after He et al. 2016 ("Identity mappings in deep
    residual networks", figure 4e), and the other widely used CIFAR code, carry x over there.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), conv3x3(inputs, outputs, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(outputs), conv3x3(outputs, outputs)
        keeps_shape = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if keeps_shape else conv1x1(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.norm1(x), inplace=True)
        out: Tensor = self.conv2(F.relu(self.norm2(self.conv1(activated)), inplace=True))
        return out.add_(self.shortcut(activated))


def preact_resnet18(channels: int, width: int) -> tuple[nn.Module, int]:
    """Encoder (N, channels, H, W) -> (N, 8 * width), for 32x32 images, and its output's length.

    A 3x3 convolution with batch norm and ReLU, four stages of two blocks, mean over the positions. As in DivideMix,
    the first convolution has a batch norm and a ReLU of its own, and none stand between the last block and the mean.
    With a classifier of 10 classes at width 64: 11,171,274 weights, 128 of them in that first batch norm.
    """
    layers: list[nn.Module] = [conv3x3(channels, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        layers += [PreActBlock(inputs, outputs, 1 if stage == 0 else 2), PreActBlock(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inputs
