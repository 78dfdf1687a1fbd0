"""PreAct ResNet-18 as in DivideMix's code (PreResNet.py), the network of this field's published CIFAR results."""

import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


NARROW = 16
"""Input channels below which oneDNN does not fill a block of its strided 1x1 kernels: 8 with AVX2, 16 with AVX-512."""


class SubsampledConv2d(nn.Conv2d):
    """1x1 convolution of every `step`-th pixel: equals a 1x1 convolution of stride `step`."""

    def __init__(self, inputs: int, outputs: int, step: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, :: self.step, :: self.step])


def conv1x1(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    """Build a 1x1 convolution without bias, as SubsampledConv2d where `inputs` is below NARROW."""
    # On a CPU the weight gradient of a strided one in channels-last format, with 2 to 7 input channels and AVX2,
    # writes out of bounds: a crash, or a silently wrong gradient (uxlfoundation/oneDNN#6035, torch 2.15).
    if stride > 1 and inputs < NARROW:
        return SubsampledConv2d(inputs, outputs, stride)
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class PreActBlock(nn.Module):
    """Pre-activation block conv(relu(bn(conv(a)))) + shortcut(a) with a = relu(bn(x)); the shortcut is a 1x1
    convolution if the shape changes.

    If the shape stays, a itself is carried over, whereas pre-activation after He et al. 2016 ("Identity mappings in
    deep residual networks", figure 4e), and the other widely used CIFAR code, carry over x.
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
    """Build the encoder (N, channels, H, W) -> (N, 8 * width), for 32x32 images; return it and its output size.

    A 3x3 convolution with batch norm and ReLU, four stages of two blocks, mean over the positions. As in DivideMix, the
    first convolution has its own batch norm and ReLU, and there are none between the last block and the mean. With a
    classifier of 10 classes at width 64: 11,171,274 weights, 128 of them in that first batch norm.
    """
    layers: list[nn.Module] = [conv3x3(channels, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        layers += [PreActBlock(inputs, outputs, 1 if stage == 0 else 2), PreActBlock(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inputs
