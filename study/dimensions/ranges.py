"""Numeric dimensions: ranges of real numbers or integers."""

import math
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from study.dimensions.base import Axis, Dimension, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

ZERO_PROBABILITY = 0.1
"""Prior probability of an explicit 0 beside the range."""
ZERO_STATES = ("zero", "nonzero")
"""States of a dimension with `zero: true` that a `when` may name."""


class FloatDimension(Dimension):
    """A real-valued setting, drawn from [low, high]."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False
    """Whether to draw uniformly in the logarithm of the value."""
    step: float | None = Field(default=None, gt=0)
    """Spacing of a grid that starts at `low`; not with `log` or `zero`. None: continuous."""
    zero: bool = False
    """Whether 0 is also allowed, below the range; its prior probability is ZERO_PROBABILITY."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.zero and self.low <= 0:
            raise ValueError(f"zero: true needs low > 0 (found {self.low}); 0 must lie outside the range")
        if self.step is not None and (self.log or self.zero):
            raise ValueError("step cannot be combined with log: true or zero: true")
        if self.step is not None and self.high - self.low > 1e6 * self.step:
            raise ValueError(f"step: {self.step} is too small; allowed: at most a million steps from low to high")
        return self

    def range_in_words(self) -> str:
        step = f" in steps of {self.step:g}" if self.step else ""
        zero = ", or 0" if self.zero else ""
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}{step}{zero}"

    def corners(self) -> tuple[float, ...]:
        return (*([0.0] if self.zero else []), self.low, self.high)

    def inside(self) -> tuple[float, ...]:
        """Return a value between the corners that, without a step, is not an integer."""
        return (self.low + (self.step or (self.high - self.low) / math.e),)

    def states(self) -> tuple[Value, ...]:
        return ZERO_STATES if self.zero else ()

    def state(self, value: Value) -> Value:
        return ZERO_STATES[value != 0]

    def distribution(self) -> "BaseDistribution":
        """Return the range; for `zero`, extended below `low` by a part that stands for 0, with ZERO_PROBABILITY.

        A switch beside the range would take half of the first trials, and make the setting a conditional parameter,
        which the joint model of TPE leaves out."""
        from optuna.distributions import FloatDistribution

        low = self._zero_edge() if self.zero else self.low
        return FloatDistribution(low, self.high, log=self.log, step=self.step)

    def encode(self, value: Value) -> Value:
        """Return the value itself; for an explicit 0 the middle of the part of the range that stands for it."""
        if self.zero and value == 0:
            edge = self._zero_edge()
            return math.sqrt(edge * self.low) if self.log else (edge + self.low) / 2
        return value

    def decode(self, value: Any) -> Value:
        return 0.0 if self.zero and value < self.low else super().decode(value)

    def axis(self) -> Axis:
        return Axis(self.low, self.high, self.log, self.zero)

    def _zero_edge(self) -> float:
        share = ZERO_PROBABILITY / (1 - ZERO_PROBABILITY)
        if self.log:
            return float(self.low * (self.low / self.high) ** share)
        return self.low - share * (self.high - self.low)


class IntDimension(Dimension):
    """An integer setting, drawn from low to high, both included."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False
    """Whether to draw uniformly in the logarithm of the value."""
    step: int = Field(default=1, ge=1)
    """Spacing of the grid from `low` to `high`, both included; not with `log`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.step > 1 and self.log:
            raise ValueError("step cannot be combined with log: true")
        if (self.high - self.low) % self.step:
            raise ValueError(f"high must be low plus a number of steps (low {self.low}, step {self.step})")
        return self

    def range_in_words(self) -> str:
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.low} to {self.high}, whole{', log' if self.log else ''}{step}"

    def corners(self) -> tuple[int, ...]:
        return (self.low, self.high)

    def distribution(self) -> "BaseDistribution":
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def axis(self) -> Axis:
        return Axis(self.low, self.high, self.log, whole=True)


def _check_range(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low must be below high (found low {low}, high {high})")
    if log and low <= 0:
        raise ValueError(f"log: true needs low > 0 (found {low})")
