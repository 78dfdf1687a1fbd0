"""Inference of the networks on many images."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from codim.data.augment import Augmenter
from codim.data.stored import Images
from codim.runtime.distributed import gather, shard, world_size


@torch.no_grad()
def predict(
    networks: Sequence[nn.Module],
    images: Images,
    augmenter: Augmenter,
    index: Tensor | None = None,
    batch_size: int = 1024,
) -> Tensor:
    """Return outputs (networks, N, K) for uint8 images in evaluation mode, without augmentation: logits of whole
    networks, features of encoders. Several workers split the work; all must call it.

    Args:
        index: (N,) which of the images; all by default.
    """
    for net in networks:
        net.eval()
    if index is None:
        index = torch.arange(len(images), device=images.device)
    # Repeat some images so that all workers' shards have the same length.
    rows = torch.arange(-(-len(index) // world_size()) * world_size(), device=index.device)
    padded = index[rows % max(len(index), 1)]
    parts = []
    for chunk in shard(padded).split(batch_size):
        x = augmenter.plain(images[chunk])
        parts.append(torch.stack([net(x) for net in networks], dim=1))
    return gather(torch.cat(parts))[: len(index)].transpose(0, 1).contiguous()
