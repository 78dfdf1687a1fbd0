"""The base class of every type of dimension."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from codim.section import Section

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | str | bool
OFF = -0.25
"""Coordinate of an explicit 0 beside a range, which is [0, 1]."""
Choices = Annotated[
    tuple[Value, ...],
    BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,)),
    Field(min_length=1),
]


@dataclass(frozen=True)
class Axis:
    """Scale of a dimension for figures and models: numbers in a range, or unordered choices."""

    low: float = math.nan
    high: float = math.nan
    log: bool = False
    zero: bool = False
    """Whether 0 is allowed beside the range."""
    whole: bool = False
    """Whether the numbers are integers."""
    choices: tuple[Value, ...] = ()
    """Allowed values without order; empty if the values are numbers in a range."""

    def __contains__(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        return bool(self.low <= value <= self.high or (self.zero and value == 0))


class Dimension(Section):
    """One searched setting: its range or choices, and when it is searched. Each type is a subclass.

    To add a type, write a subclass in a file of its own with a `type` that names it, and list it in
    study/dimensions/types.py; from outside this package, call `register_dimension_type`.
    """

    type: str
    when: dict[str, Choices] = Field(default={})
    """Other dimension -> the value or values at which this one is searched; elsewhere it keeps its fixed value. The
    other is categorical, or has `zero: true` and is compared with `zero` or `nonzero`."""

    @abstractmethod
    def range_in_words(self) -> str:
        """Return a readable description of the allowed values."""

    @abstractmethod
    def corners(self) -> tuple[Value, ...]:
        """Return the values between which all others lie; a study file is checked at each of them."""

    def inside(self) -> tuple[Value, ...]:
        """Return further values at which a study file is checked."""
        return ()

    def states(self) -> tuple[Value, ...]:
        """Return the states that the `when` of another dimension may name; empty: `when` cannot name this dimension."""
        return ()

    def state(self, value: Value) -> Value:
        """Return the member of `states` to which `value` belongs."""
        return value

    @abstractmethod
    def distribution(self) -> "BaseDistribution":
        """Return the Optuna distribution that is the prior of the search."""

    def encode(self, value: Value) -> Value:
        """Return the value in Optuna's distribution that stands for a value of the setting."""
        return value

    def decode(self, value: Any) -> Value:
        """Return the value of the setting for a value from Optuna: the inverse of `encode`."""
        decoded: Value = value
        return decoded

    def coordinates(self, value: Value | None) -> list[float]:
        """Return the coordinates of a value in a model of the trials: a range is [0, 1] on its own scale and a 0 beside
        it lies at OFF; each choice is 0 or 1. None, where the dimension's `when` does not hold, is in the middle."""
        axis = self.axis()
        if axis.choices:
            return [0.5 if value is None else float(choice == value) for choice in axis.choices]
        if value is None:
            return [0.5]
        number = float(value)
        if axis.zero and number == 0:
            return [OFF]
        if axis.log:
            return [math.log(number / axis.low) / math.log(axis.high / axis.low)]
        return [(number - axis.low) / (axis.high - axis.low)]

    @abstractmethod
    def axis(self) -> Axis:
        """Return the scale of the dimension for figures and models."""

    def in_words(self) -> str:
        """Return a readable description of the allowed values and of when the dimension is searched."""
        parts = (f"{parent} is {' or '.join(map(str, wanted))}" for parent, wanted in self.when.items())
        return self.range_in_words() + (f", when {' and '.join(parts)}" if self.when else "")
