"""Settings of stage 0."""

from pydantic import Field

from codim.section import Section


class PretrainConfig(Section):
    """Stage 0. (SupContrast's code for CIFAR: 1000 epochs, batch 1024, lr .5, t .5, weight decay 1e-4.)"""

    epochs: int = Field(default=200, ge=0)
    """Passes over the images; 0 leaves the stage out."""
    batch_size: int = Field(default=256, ge=2)
    """Images; each gives two views."""
    lr: float = Field(default=0.125, gt=0)
    """Start of a cosine to 0. (.5 at batch 1024, scaled linearly)"""
    weight_decay: float = Field(default=1e-4, ge=0)
    """L2 penalty on all weights in this stage."""
    temperature: float = Field(default=0.5, gt=0)
    """Contrastive temperature of this stage."""
    seed: int = Field(default=0, ge=0)
    """Of weights, order and views; apart from `train/seed`, so that trials with other seeds share the stage."""
