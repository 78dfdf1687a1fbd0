"""Settings of stage 0, the contrastive pre-training."""

from pydantic import Field

from codim.section import Section


class PretrainConfig(Section):
    """Stage 0. (SupContrast's code for CIFAR: 1000 epochs, batch 1024, lr .5, t .5, weight decay 1e-4.)"""

    epochs: int = Field(default=200, ge=0)
    """Number of passes over the images; 0 skips the stage."""
    batch_size: int = Field(default=256, ge=2)
    """Images per batch; each gives two views."""
    lr: float = Field(default=0.125, gt=0)
    """Initial learning rate of a cosine schedule to 0. (.5 at batch 1024, scaled linearly)"""
    weight_decay: float = Field(default=1e-4, ge=0)
    """L2 penalty on all weights in this stage."""
    temperature: float = Field(default=0.5, gt=0)
    """Contrastive temperature of this stage."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order and views; separate from `train/seed`, so that trials with other seeds share the stage."""
