"""Settings of the weight averages."""

from typing import Literal

from pydantic import Field

from codim.section import Section


class AverageConfig(Section):
    """Running average of each network's weights in stages 1 to 3."""

    kind: Literal["none", "ema", "swa"] = "none"
    """ema: exponential moving average over the steps (as MixMatch evaluates its networks). swa: equal average of the
    weights after each late epoch (Izmailov et al. 2018)."""
    decay: float = Field(default=0.999, ge=0, lt=1)
    """ema: decay per step; the average covers about the last 1 / (1 - decay) steps (.999: MixMatch). Early on it is
    smaller, min(decay, (1 + n) / (10 + n)) after n steps, or the average of a short training would be dominated by its
    start. (as TensorFlow's ExponentialMovingAverage)"""
    start: float = Field(default=0.75, ge=0, lt=1)
    """swa: share of the samples of stages 1 to 3 after which epochs enter the average. (.75: Izmailov et al. 2018)"""
