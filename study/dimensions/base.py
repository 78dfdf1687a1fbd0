"""The base of every type of dimension."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from codim.section import Section

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | str | bool
Choices = Annotated[
    tuple[Value, ...],
    BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,)),
    Field(min_length=1),
]


@dataclass(frozen=True)
class Axis:
    """How the values of a dimension lie side by side: numbers in a range, or choices without order."""

    low: float = math.nan
    high: float = math.nan
    log: bool = False
    zero: bool = False
    """Whether an explicit 0 stands beside the range."""
    whole: bool = False
    """Numbers without fraction."""
    choices: tuple[Value, ...] = ()
    """None where the values are numbers in a range."""


class Dimension(Section):
    """One searched setting. Each type is a subclass in codim's manner of settings.

    A new type is a subclass in a file of its own, with a `type` that names it, and its name in
    study/dimensions/types.py; from outside this package, `register_dimension_type` adds it.
    """

    type: str
    when: dict[str, Choices] = Field(default={})
    """Other dimension -> the value or values at which this one is searched; elsewhere it keeps its fixed value. The
    other is categorical, or has `zero: true` and is asked for `zero` or `nonzero`."""

    def range_in_words(self) -> str:
        """Values that it may take, for people."""
        raise NotImplementedError

    def corners(self) -> tuple[Value, ...]:
        """Values between which all others lie; a study file is checked at each of them."""
        raise NotImplementedError

    def inside(self) -> tuple[Value, ...]:
        """Further values that a study file is checked at."""
        return ()

    def states(self) -> tuple[Value, ...]:
        """Values that the `when` of another dimension may ask for; none: it is no switch."""
        return ()

    def state(self, value: Value) -> Value:
        """Return the one of `states` that `value` is in."""
        return value

    def distribution(self) -> "BaseDistribution":
        """Prior of the search, in Optuna's terms."""
        raise NotImplementedError

    def encode(self, value: Value) -> Value:
        """Return the value that Optuna knows a setting's value by."""
        return value

    def decode(self, value: Any) -> Value:
        """Inverse of `encode`."""
        decoded: Value = value
        return decoded

    def coordinates(self, value: Value | None) -> list[float]:
        """Numbers that stand for a value in a model of the trials; None: its `when` does not hold."""
        return [math.nan if value is None else float(self.encode(value))]

    def axis(self) -> Axis:
        """How figures and models show it."""
        raise NotImplementedError

    def in_words(self) -> str:
        """Values that it may take and when it is searched, for people."""
        parts = (f"{parent} is {' or '.join(map(str, wanted))}" for parent, wanted in self.when.items())
        return self.range_in_words() + (f", when {' and '.join(parts)}" if self.when else "")
