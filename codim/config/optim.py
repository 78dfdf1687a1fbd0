"""Settings of the optimiser."""

from typing import Literal

from pydantic import Field

from codim.section import Section


class OptimConfig(Section):
    """Optimiser of stages 1 to 3."""

    lr: float = Field(default=0.02, gt=0)
    """Learning rate at the start. (.02: DivideMix on CIFAR)"""
    encoder_lr_factor: float | None = Field(default=None, gt=0, le=1)
    """Learning rate of the encoder as a share of `lr`. Below 1 it keeps more of weights that others trained. None: .1
    with `network/weights`, else 1."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Plain (not Nesterov) momentum."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """L2 penalty on all weights, batch norm's too. (5e-4: DivideMix on CIFAR)"""
    schedule: Literal["constant", "step", "cosine", "linear"] = "step"
    """step: times `step_factor` at the share `step_at` of the budget. cosine, linear: from the end of the rate's
    warm-up to 0 at the end of the budget, along half a cosine or a line."""
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of the samples of stages 1 to 3 over which the rate rises linearly from 0 to `lr`."""
    step_at: float = Field(default=0.5, gt=0, lt=1)
    """Share of the samples of stages 1 to 3. (150 of 300 epochs: DivideMix on CIFAR)"""
    step_factor: float = Field(default=0.1, gt=0, le=1)
    """Factor of the learning rate at the step."""
