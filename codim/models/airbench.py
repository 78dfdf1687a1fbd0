"""Airbench's network (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv 2404.00498): a fast
convolutional network for small images, whose first layer whitens patches of the data."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codim.models.preact_resnet import conv3x3

PATCH = 2
SMALLEST = 9
"""Smallest side length of an image: the patches and three poolings must leave a pixel."""
REGULARISATION = 5e-4
"""Added to the eigenvalues of the patches' covariance."""


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        conv3x3(inputs, outputs),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(outputs),
        nn.GELU(),
        conv3x3(outputs, outputs),
        nn.BatchNorm2d(outputs),
        nn.GELU(),
    )


class Whitening(nn.Module):
    """Convolution of 2x2 patches with fixed weights and a trained bias; the weights are random until `fit`."""

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        outputs = 2 * channels * PATCH**2
        initial = nn.Conv2d(channels, outputs, PATCH)
        self.register_buffer("weight", initial.weight.detach())
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias)

    def fit(self, images: Tensor) -> None:
        """Whiten like these normalised images (N, C, H, W): the eigenvectors of their patches' covariance, each over
        the root of its eigenvalue, and the same negated."""
        patches = F.unfold(images.double(), PATCH).transpose(1, 2).flatten(0, 1)
        values, vectors = torch.linalg.eigh(patches.T.cov())
        scaled = (vectors / (values + REGULARISATION).sqrt()).T.view(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([scaled, -scaled]))


class Airbench(nn.Module):
    """Whitening of 2x2 patches, three blocks of `width`, 4 `width` and 4 `width` channels, maximum over the positions.

    Differs from the source in batch norm, which keeps PyTorch's scale, momentum and epsilon.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.whiten = Whitening(channels)
        shapes = [(len(self.whiten.bias), width), (width, 4 * width), (4 * width, 4 * width)]
        self.blocks = nn.Sequential(nn.GELU(), *(_block(*shape) for shape in shapes))
        self.pool = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if min(height, width) < SMALLEST:
            raise ValueError(
                f"network/name: airbench needs images of at least {SMALLEST}x{SMALLEST} pixels, found {height}x{width}"
            )
        features: Tensor = self.pool(self.blocks(self.whiten(x)))
        return features


def airbench(channels: int, width: int) -> tuple[nn.Module, int]:
    """Build the encoder (N, channels, H, W) -> (N, 4 * width); return it and its output size."""
    return Airbench(channels, width), 4 * width
