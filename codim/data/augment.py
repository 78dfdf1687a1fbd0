"""Batched augmentation on the device: every image of a batch draws its own crop, flip, rotation and colours.

Input: uint8 images (N, C, H, W); output: normalised floats of the same shape, or with sides of `size`. Randomness comes
from the generator passed in.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from codim.config.augment import AugmentConfig
from codim.data.stored import Images
from codim.runtime.distributed import drawn

FIT_IMAGES = 10_000
"""Maximum number of images from which mean and standard deviation are computed."""
FIT_PIXELS = 2**22
"""Number of pixel values converted to float64 at a time for them; two such arrays exist."""


class Augmenter:
    """Plain, weak and strong views of uint8 images, normalised by the given mean and standard deviation per channel."""

    def __init__(self, config: AugmentConfig, mean: Tensor, std: Tensor) -> None:
        self.config = config
        self.mean, self.std = mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)

    @classmethod
    def fit(cls, config: AugmentConfig, images: Images) -> "Augmenter":
        """Build an augmenter from the mean and standard deviation per channel of the images, or of every n-th if there
        are more than 10,000. Needs no labels. Memory: 64 MiB.

        Raises:
            ValueError: `augment/size` is larger than the images.
        """
        channels, height, width = images.shape[1:]
        require_room(config, height, width)
        total = torch.zeros(channels, dtype=torch.float64, device=images.device)
        squares, count = torch.zeros_like(total), 0
        every = -(-len(images) // FIT_IMAGES)
        chunk = max(1, FIT_PIXELS // (channels * height * width))
        for start in range(0, len(images), every * chunk):
            # Sums of integers are exact, so the order of summation does not matter.
            pixels = images[start : start + every * chunk : every].double()
            total += pixels.sum((0, 2, 3))
            squares += pixels.square_().sum((0, 2, 3))
            count += len(pixels) * height * width
        mean = total / count
        variance = (squares - total * mean) / (count - 1)
        std = variance.clamp(min=0).sqrt() / 255
        return cls(config, (mean / 255).float(), std.clamp(min=1e-3).float())

    def plain(self, images: Tensor) -> Tensor:
        if size := self.config.size:
            from torchvision.transforms.v2.functional import center_crop  # doubles the time to import codim

            images = center_crop(images, [size, size])
        return self._normalise(images.float() / 255)

    def weak(self, images: Tensor, generator: Generator) -> Tensor:
        if self.config.crop_padding or self.config.size:
            images = random_crop(images, self.config.crop_padding, generator, self.config.size)
        x = images.float() / 255
        if self.config.flip:
            x = random_flip(x, generator)
        return self._normalise(x)

    def strong(self, images: Tensor, generator: Generator) -> Tensor:
        config = self.config
        x = images.float() / 255
        x = random_resized_crop(x, config.strong_scale_min, config.strong_rotation, generator, config.size)
        if config.flip:
            x = random_flip(x, generator)
        x = colour_jitter(x, config.strong_jitter, config.strong_grey, generator)
        if config.strong_noise:
            x = x + config.strong_noise * drawn(
                lambda n: torch.randn(n, *x.shape[1:], generator=generator, device=x.device), len(x)
            )
        return self._normalise(x)

    def _normalise(self, x: Tensor) -> Tensor:
        # Channels-last convolutions are faster, on CPUs too.
        return ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def require_room(config: AugmentConfig, height: int, width: int) -> None:
    """Raise ValueError if the views are larger than images of these sides in pixels."""
    if config.size > min(height, width):
        raise ValueError(f"augment/size: {config.size}, but the images have {height}x{width} pixels; allowed: less")


def _uniform(n: int, low: float, high: float, generator: Generator, x: Tensor) -> Tensor:
    return drawn(lambda rows: torch.rand(rows, generator=generator, device=x.device), n) * (high - low) + low


def random_crop(x: Tensor, padding: int, generator: Generator, size: int = 0) -> Tensor:
    """Crop each image of (N, C, H, W) at random after zero padding on each side: to its size, or square images to
    `size`."""
    n, _, height, width = x.shape
    assert not size or height == width >= size
    room = 2 * padding + (height - size if size else 0)
    height, width = (size, size) if size else (height, width)
    padded = F.pad(x, (padding,) * 4)
    shift = drawn(lambda rows: torch.randint(0, room + 1, (2, rows), generator=generator, device=x.device).T, n)
    rows = shift[:, :1] + torch.arange(height, device=x.device)
    columns = shift[:, 1:] + torch.arange(width, device=x.device)
    image = torch.arange(n, device=x.device)
    return padded.permute(0, 2, 3, 1)[image[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def random_flip(x: Tensor, generator: Generator) -> Tensor:
    """Mirror each image of (N, C, H, W) left-right with probability 1/2."""
    flipped = _uniform(len(x), 0, 1, generator, x) < 0.5
    return torch.where(flipped.view(-1, 1, 1, 1), x.flip(3), x)


def random_resized_crop(x: Tensor, scale_min: float, rotation: float, generator: Generator, size: int = 0) -> Tensor:
    """Crop each image at random, rotate it and resize it (bilinear) to its old size, or to sides of `size` pixels. The
    crop covers a share of the area in [scale_min, 1].

    The aspect ratio is in [3/4, 4/3] as in Szegedy et al. 2015 ("Inception"), or closer to 1 if the image has no room.
    """
    n = len(x)
    area = _uniform(n, scale_min, 1.0, generator, x)
    # The larger the crop, the less its aspect ratio may vary: neither side may exceed the image's.
    limit = (-area.log()).clamp(max=math.log(4 / 3))
    ratio = (_uniform(n, -1, 1, generator, x) * limit).exp()
    half_width, half_height = (area * ratio).sqrt(), (area / ratio).sqrt()
    centre_x = _uniform(n, -1, 1, generator, x) * (1 - half_width)
    centre_y = _uniform(n, -1, 1, generator, x) * (1 - half_height)
    angle = _uniform(n, -1, 1, generator, x) * math.radians(rotation)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [cos * half_width, -sin * half_height, centre_x, sin * half_width, cos * half_height, centre_y], dim=1
    )
    sides = [size, size] if size else list(x.shape[2:])
    grid = F.affine_grid(theta.view(n, 2, 3), [n, x.shape[1], *sides], align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def colour_jitter(x: Tensor, strength: float, grey: float, generator: Generator) -> Tensor:
    """Jitter brightness and contrast, and for (N, 3, H, W) saturation, hue and grey, with one draw per image.

    Saturation and hue are one linear map in the YIQ colour space, so they cost one small matrix product.
    """
    n = len(x)

    def factor() -> Tensor:
        return _uniform(n, 1 - strength, 1 + strength, generator, x).view(-1, 1, 1, 1)

    y = x * factor()
    y = (y - y.mean((1, 2, 3), keepdim=True)) * factor() + y.mean((1, 2, 3), keepdim=True)
    if x.shape[1] == 3:
        angle = _uniform(n, -1, 1, generator, x) * (2 * math.pi * strength / 4)
        y = _saturate(y, factor().view(-1), angle)
    jittered = _uniform(n, 0, 1, generator, x) < 0.8
    x = torch.where(jittered.view(-1, 1, 1, 1), y.clamp(0, 1), x)
    if x.shape[1] == 3:
        greyed = _uniform(n, 0, 1, generator, x) < grey
        still = torch.zeros(n, device=x.device)
        x = torch.where(greyed.view(-1, 1, 1, 1), _saturate(x, still, still), x)
    return x


@cache
def _yiq(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the maps from RGB to YIQ and back, (3, 3) each; cached, since copying to a GPU synchronises with it."""
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    return to_yiq.to(device), torch.linalg.inv(to_yiq).to(device)


def _saturate(x: Tensor, saturation: Tensor, angle: Tensor) -> Tensor:
    """Scale the chroma of (N, 3, H, W) by `saturation` (N,) and turn it by `angle` (N,), in radians."""
    to_yiq, to_rgb = _yiq(x.device)
    cos, sin = saturation * angle.cos(), saturation * angle.sin()
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    turn = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], dim=1).view(-1, 3, 3)
    matrix = to_rgb @ turn @ to_yiq
    return torch.einsum("nij,njhw->nihw", matrix, x)
