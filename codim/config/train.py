"""Settings of the training loop over all stages."""

from typing import Literal

from pydantic import Field

from codim.section import Section


class LoopConfig(Section):
    """Settings of the training loop over all stages (codim/training/loop.py)."""

    samples: int = Field(default=15_000_000, ge=1, le=10**12)
    """Budget: images that one network draws for its gradient steps over all stages, pre-training included."""
    batch_size: int = Field(default=64, ge=2)
    """Images per step of the warm-up; in stage 3, images per step from each of the two sets. Over all workers."""
    co_training: bool = True
    """Whether to co-train after the warm-up. False: stage 1 uses the whole budget (plain cross-entropy)."""
    epoch: Literal["labelled", "dataset"] = "labelled"
    """Length of an epoch of stage 3. labelled: one pass over the labelled set (as DivideMix; a lower threshold then
    means longer epochs). dataset: as many images as the training part has, from both sets together."""
    epoch_images: int = Field(default=0, ge=0)
    """Number of training images per epoch, drawn anew for each and balanced over the given classes as far as possible.
    0: all. (32,000 of Clothing1M's million: DivideMix)"""
    sync_batch_norm: bool = True
    """With several workers, compute batch norm over the global batch. False: each worker over its own shard, which is
    faster but makes the result depend on the world size. Pre-training always uses the global batch (as SimCLR)."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order, views and MixUp in stages 1 to 3; until co-training it only applies if `warmup/seed` is
    None."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on. auto: the GPU if there is one."""
