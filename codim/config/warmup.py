"""Settings of stage 1, the warm-up."""

from pydantic import Field

from codim.section import Section


class WarmupConfig(Section):
    """Stage 1, the warm-up; with `train/co_training` off it is the whole training."""

    epochs: int = Field(default=10, ge=1)
    """Number of passes over the training part. (10: CIFAR-10, 30: CIFAR-100: DivideMix; 5 after pre-training: C2D)"""
    seed: int | None = Field(default=None, ge=0)
    """Seed of weights, order and views until this stage ends, if co-training follows; separate from `train/seed`, so
    that trials with other seeds share the stage. None: `train/seed` is used throughout."""
    confidence_penalty: float = Field(default=0.0, ge=0)
    """Weight of the penalty mean_i sum_c p log p, against confident fits of asymmetric noise. (1 there: DivideMix)"""
