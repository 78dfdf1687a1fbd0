"""Settings of stage 1."""

from pydantic import Field

from codim.section import Section


class WarmupConfig(Section):
    """Stage 1; with `train/co_training` off it is the whole training."""

    epochs: int = Field(default=10, ge=1)
    """Passes over the training part. (10: CIFAR-10, 30: CIFAR-100: DivideMix; 5 after pre-training: C2D)"""
    seed: int | None = Field(default=None, ge=0)
    """Of weights, order and views until the end of this stage, where co-training follows; apart from `train/seed`, so
    that trials with other seeds share the stage. None: `train/seed`, which then runs through."""
    confidence_penalty: float = Field(default=0.0, ge=0)
    """Weight of mean_i sum_c p log p; keeps asymmetric noise from being fitted with confidence. (1 there: DivideMix)"""
