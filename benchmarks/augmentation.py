"""How fast are our batched views against one image after the other, and against kornia?

    python benchmarks/augmentation.py --network preact [--device cuda]

All make the same kinds of views with our settings, from uint8 images in memory to normalised floats: torchvision's v2
transforms on one image after the other, on the processor, as in a DataLoader without workers; kornia's on a whole
batch, where it is installed. Ours and kornia's run on the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

import torch
import tyro
from kept import keep
from torch import Tensor
from torchvision.transforms import v2
from workload import Workload, by_turns, prepare, ratios, spread, table

from codim.config.augment import AugmentConfig
from codim.data.augment import Augmenter

View = Callable[[Tensor], Tensor]
"""uint8 images (N, C, H, W) -> normalised floats."""


@dataclass
class Arguments(Workload):
    """Speed of weak and strong views."""

    images: int = 128
    """In a batch: those of a step."""
    repeats: int = 10
    """Batches in a measurement."""


def ours(augmenter: Augmenter, device: torch.device) -> dict[str, View]:
    generator = torch.Generator(device).manual_seed(0)
    return {"weak": lambda x: augmenter.weak(x, generator), "strong": lambda x: augmenter.strong(x, generator)}


def torchvision_views(augmenter: Augmenter, channels: int, sides: tuple[int, int]) -> dict[str, View]:
    config = augmenter.config
    flip = [v2.RandomHorizontalFlip()] if config.flip else []
    end = [v2.Normalize(augmenter.mean.flatten().tolist(), augmenter.std.flatten().tolist())]
    to_float = v2.ToDtype(torch.float32, scale=True)
    crop = [v2.RandomCrop(sides, padding=config.crop_padding)] if config.crop_padding else []
    angle, strength = config.strong_rotation, config.strong_jitter
    rotate = [v2.RandomRotation((-angle, angle), v2.InterpolationMode.BILINEAR)] if angle else []
    jitter = v2.ColorJitter(strength, strength, *([strength, strength / 4] if channels == 3 else []))
    grey = [v2.RandomGrayscale(config.strong_grey)] if channels == 3 else []
    resized = v2.RandomResizedCrop(sides, (config.strong_scale_min, 1.0))
    weak = v2.Compose([*crop, *flip, to_float, *end])
    strong = v2.Compose([*rotate, resized, *flip, v2.RandomApply([jitter], 0.8), *grey, to_float, *end])
    return {"weak": _one_by_one(weak), "strong": _one_by_one(strong)}


def _one_by_one(transform: v2.Compose) -> View:
    return lambda images: torch.stack([transform(image) for image in images])


def kornia_views(augmenter: Augmenter, channels: int, sides: tuple[int, int]) -> dict[str, View]:
    import kornia.augmentation as K

    config = augmenter.config
    flip = [K.RandomHorizontalFlip()] if config.flip else []
    end = [K.Normalize(augmenter.mean.flatten(), augmenter.std.flatten())]
    crop = [K.RandomCrop(sides, padding=config.crop_padding)] if config.crop_padding else []
    angle, strength = config.strong_rotation, config.strong_jitter
    rotate = [K.RandomRotation(angle, p=1.0)] if angle else []
    # On one channel kornia changes brightness and contrast by transforms of their own only.
    factors = (1 - strength, 1 + strength)
    jitter = [K.RandomBrightness(factors, p=0.8), K.RandomContrast(factors, p=0.8)]
    if channels == 3:
        jitter = [K.ColorJiggle(strength, strength, strength, strength / 4, p=0.8)]
    grey = [K.RandomGrayscale(p=config.strong_grey)] if channels == 3 else []
    resized = K.RandomResizedCrop(sides, scale=(config.strong_scale_min, 1.0))
    weak = torch.nn.Sequential(*crop, *flip, *end)
    strong = torch.nn.Sequential(*rotate, resized, *flip, *jitter, *grey, *end)
    return {"weak": lambda x: weak(x.float() / 255), "strong": lambda x: strong(x.float() / 255)}


def main() -> None:
    work = tyro.cli(Arguments, description=__doc__)
    work.set_threads()
    config, data = prepare(work)
    augment: AugmentConfig = config.augment
    device = work.torch_device()
    channels, *sides = data.images.shape[1:]
    images = data.images[torch.arange(work.images, device=device) % len(data.images)]
    on_host = images.cpu()
    augmenter = Augmenter.fit(augment, data.images)
    makers = {
        "ours": (ours(augmenter, device), images),
        "torchvision v2, image by image": (torchvision_views(augmenter, channels, tuple(sides)), on_host),
    }
    if find_spec("kornia"):
        makers["kornia"] = (kornia_views(augmenter, channels, tuple(sides)), images)

    rows, times = [], {}
    for view in ("weak", "strong"):
        contenders = {name: lambda make=made[view], x=x: make(x) for name, (made, x) in makers.items()}
        times[view] = by_turns(contenders, work.measurements, device, work.repeats)
        for name, values in times[view].items():
            rate = f"{work.images / median(values):,.0f}"
            rows.append(
                [view, name, spread([1e3 * t for t in values]), rate, spread(ratios(values, times[view]["ours"]))]
            )
    text = (
        f"{table(['view', 'by', 'ms a batch', 'images/s', 'times as long as ours'], rows)}\n\nMedians [range] of "
        f"{work.measurements}, {work.images} images {tuple(images.shape[1:])}."
    )
    if "kornia" not in makers:
        text += " kornia is not installed: left out."
    keep(f"augmentation-{work.network}-{device.type}", text, {"seconds": times}, device)


if __name__ == "__main__":
    main()
