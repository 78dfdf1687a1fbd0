"""Images and embeddings that a program holds as an array, as the networks see them."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torchvision.transforms.functional import center_crop, resize

from codim.config.train_config import TrainConfig
from codim.data.embeddings import in_memory_vectors

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


def as_samples(samples: ArrayLike) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return a copy of images as (N, C, H, W), or of what has two dimensions, embeddings, as (N, D). Raises
    ValueError."""
    array = np.asarray(samples)
    return in_memory_vectors(array) if array.ndim == 2 else channels_first(array)


def fitting(samples: NDArray[np.uint8] | NDArray[np.float32], config: TrainConfig) -> Tensor:
    """Return samples as the networks see them: embeddings as they are, images whole or the central square of
    `data/cache_size` pixels."""
    x, side = torch.from_numpy(samples), config.data.cache_size
    if x.ndim == 2 or not config.augment.size or x.shape[2:] == (side, side):
        return x
    return torch.cat([center_crop(resize(part, [side], antialias=True), [side, side]) for part in x.split(BLOCK)])


def inputs(images: ArrayLike, config: TrainConfig, shape: tuple[int, ...]) -> Tensor:
    """Return samples to predict. Raises ValueError: they are not of the `shape` trained on, (C, H, W) of images or (D,)
    of embeddings."""
    if len(shape) == 1:
        vectors = in_memory_vectors(images)
        if vectors.shape[1:] != shape:
            raise ValueError(f"embeddings: {vectors.shape[1]} numbers each; allowed: {shape[0]}, as in training")
        return torch.from_numpy(vectors)
    x = fitting(channels_first(images), config)
    if x.shape[1:] != shape:
        (channels, *size), (wanted, *side) = x.shape[1:], shape
        raise ValueError(f"images: {size} pixels, {channels} channels; allowed: {side}, {wanted}, as in training")
    return x
