"""Settings of the loop over the stages."""

from typing import Literal

from pydantic import Field

from codim.section import Section


class LoopConfig(Section):
    """The loop over the stages (codim/training/loop.py)."""

    samples: int = Field(default=15_000_000, ge=1, le=10**12)
    """Budget: images that one network draws for its gradient steps, over all stages, pre-training included."""
    batch_size: int = Field(default=64, ge=2)
    """Images per step of the warm-up; in stage 3 images per step of each set. Of all workers together."""
    co_training: bool = True
    """False: stage 1 takes the whole budget (plain cross-entropy)."""
    epoch: Literal["labelled", "dataset"] = "labelled"
    """Length of an epoch of stage 3. labelled: one pass over the labelled set (as DivideMix; a lower threshold then
    means longer epochs). dataset: as many images as the training part has, from both sets together."""
    epoch_images: int = Field(default=0, ge=0)
    """Images of the training part that take part in an epoch, drawn anew for each, as many of each given class as far
    as it has them. 0: all. (32,000 of Clothing1M's million: DivideMix)"""
    sync_batch_norm: bool = True
    """With several workers: batch norm over the batches of all. False: each over its own share, which is faster, but
    then the result depends on the number of workers. Pre-training always takes all (as SimCLR)."""
    seed: int = Field(default=0, ge=0)
    """Of weights, order, views and MixUp in stages 1 to 3; until co-training in place of `warmup/seed`, if that is
    None."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU where there is one."""
