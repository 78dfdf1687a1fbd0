"""Images that a program holds as an array, as the networks see them."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torchvision.transforms.functional import center_crop, resize

from codim.config.train_config import TrainConfig

BLOCK = 1024
"""Images that are resized at a time."""


def channels_first(images: ArrayLike) -> NDArray[np.uint8]:
    """Return a copy of the images as (N, C, H, W). Raises ValueError."""
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise ValueError(f"images: values of type {array.dtype}; allowed: uint8, from 0 to 255")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise ValueError(
            f"images: an array of shape {np.shape(images)}; allowed: (N, H, W), (N, H, W, 1 or 3), channels last"
        )
    return np.array(array.transpose(0, 3, 1, 2), order="C")


def fitting(pixels: NDArray[np.uint8], config: TrainConfig) -> Tensor:
    """Return images as the networks see them: whole, or the central square of `data/cache_size` pixels."""
    x, side = torch.from_numpy(pixels), config.data.cache_size
    if not config.augment.size or x.shape[2:] == (side, side):
        return x
    return torch.cat([center_crop(resize(part, [side], antialias=True), [side, side]) for part in x.split(BLOCK)])


def inputs(images: ArrayLike, config: TrainConfig, shape: tuple[int, ...]) -> Tensor:
    """Return images to predict, (N, C, H, W). Raises ValueError: they are not of the `shape` (C, H, W) trained on."""
    x = fitting(channels_first(images), config)
    if x.shape[1:] != shape:
        (channels, *size), (wanted, *side) = x.shape[1:], shape
        raise ValueError(f"images: {size} pixels, {channels} channels; allowed: {side}, {wanted}, as in training")
    return x
