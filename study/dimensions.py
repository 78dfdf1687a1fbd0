"""The dimensions of a study's space, as its file writes them: ranges, choices, and when each is searched at all."""

import math
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from codim.section import Section

Value = float | int | str | bool

ZERO_PROBABILITY = 0.1
"""Share of the prior that an explicit 0 takes beside its range."""
ZERO_STATES = ("zero", "nonzero")
"""What `when` may ask of a dimension with `zero: true`."""

Choice = bool | int | float | str
Choices = Annotated[
    tuple[Choice, ...],
    BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,)),
    Field(min_length=1),
]


class _Dimension(Section):
    when: dict[str, Choices] = Field(default={})
    """Other dimension -> the value or values at which this one is searched; elsewhere it keeps its fixed value. The
    other is categorical, or has `zero: true` and is asked for `zero` or `nonzero`."""


class FloatDimension(_Dimension):
    """A real setting, drawn from [low, high]."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False
    """Draw uniformly in the logarithm."""
    step: float | None = Field(default=None, gt=0)
    """Grid, from `low`; not with `log` or `zero`."""
    zero: bool = False
    """An explicit 0 beside the range, drawn with probability ZERO_PROBABILITY before anything is known."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.zero and self.low <= 0:
            raise ValueError(f"zero: true needs low > 0 (found {self.low}); 0 must lie outside the range")
        if self.step is not None and (self.log or self.zero):
            raise ValueError("step goes with neither log: true nor zero: true")
        if self.step is not None and self.high - self.low > 1e6 * self.step:
            raise ValueError(f"step: {self.step} is too small; allowed: at most a million steps from low to high")
        return self

    def in_words(self) -> str:
        step = f" in steps of {self.step:g}" if self.step else ""
        zero = ", or 0" if self.zero else ""
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}{step}{zero}{_when(self)}"

    def corners(self) -> tuple[float, ...]:
        return (*([0.0] if self.zero else []), self.low, self.high)

    def inside(self) -> tuple[float, ...]:
        """A value between the corners that is no whole number."""
        return (self.low + (self.step or (self.high - self.low) / math.e),)


class IntDimension(_Dimension):
    """A whole setting, drawn from low to high, both included."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False
    """Draw uniformly in the logarithm."""
    step: int = Field(default=1, ge=1)
    """Grid, from `low` to `high`; not with `log`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.step > 1 and self.log:
            raise ValueError("step goes not with log: true")
        if (self.high - self.low) % self.step:
            raise ValueError(f"high must be low plus a number of steps (low {self.low}, step {self.step})")
        return self

    def in_words(self) -> str:
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.low} to {self.high}, whole{', log' if self.log else ''}{step}{_when(self)}"

    def corners(self) -> tuple[int, ...]:
        return (self.low, self.high)

    def inside(self) -> tuple[int, ...]:
        return ()


class CategoricalDimension(_Dimension):
    """A setting that takes one of a few values without order."""

    type: Literal["categorical"]
    choices: tuple[Choice, ...] = Field(min_length=2, max_length=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({repr(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError(f"choices must differ (found {list(self.choices)})")
        return self

    def in_words(self) -> str:
        return f"one of {', '.join(map(str, self.choices))}{_when(self)}"

    def corners(self) -> tuple[Choice, ...]:
        return self.choices

    def inside(self) -> tuple[bool, ...]:
        return ()


Dimension = Annotated[FloatDimension | IntDimension | CategoricalDimension, Field(discriminator="type")]
Space = Mapping[str, FloatDimension | IntDimension | CategoricalDimension]
"""`section/setting` -> dimension."""


def searched(space: Space, path: str, values: Mapping[str, Choice]) -> bool:
    """Whether the `when` of a dimension holds. `values`: of those dimensions before it in `in_order` that are
    searched."""
    return all(
        parent in values and _among(_state(space[parent], values[parent]), wanted)
        for parent, wanted in space[path].when.items()
    )


def present(space: Space, values: Mapping[str, Choice]) -> dict[str, Choice]:
    """Those of `values` whose `when` holds."""
    kept: dict[str, Choice] = {}
    for path in in_order(space):
        if path in values and searched(space, path, kept):
            kept[path] = values[path]
    return kept


def switched_on(space: Space, path: str) -> dict[str, Choice]:
    """Values of other dimensions, the first that `when` names, at which `path` is searched."""
    values: dict[str, Choice] = {}
    for parent, wanted in space[path].when.items():
        states = [value for value in space[parent].corners() if _among(_state(space[parent], value), wanted)]
        values |= switched_on(space, parent) | {parent: states[0]}
    return values


def in_order(space: Space) -> tuple[str, ...]:
    """The paths, each after those that its `when` names. Raises CycleError: there is no such order."""
    return tuple(TopologicalSorter({path: dimension.when for path, dimension in space.items()}).static_order())


def nested(values: Mapping[str, Choice]) -> dict[str, dict[str, Choice]]:
    """`section/setting` -> value, as {section: {setting: value}}."""
    sections: dict[str, dict[str, Choice]] = {}
    for path, value in values.items():
        section, setting = path.split("/")
        sections.setdefault(section, {})[setting] = value
    return sections


def when_fault(space: Space) -> tuple[str, str] | None:
    """The first `when` that cannot hold, as (path, what is wrong with it); None: all are sound."""
    for path, dimension in space.items():
        for parent, wanted in dimension.when.items():
            if parent not in space:
                others = ", ".join(other for other in space if other != path)
                return path, f"{parent} is no dimension of this space; allowed: {others}"
            states = _states(space[parent])
            if not states:
                return path, f"{parent} is no switch; allowed: a categorical dimension, or a float with zero: true"
            unknown = [value for value in wanted if not _among(value, states)]
            if unknown:
                return path, f"{parent} is never {unknown[0]!r}; allowed: {', '.join(map(str, states))}"
    try:
        in_order(space)
    except CycleError as error:
        return str(error.args[1][0]), f"{' -> '.join(error.args[1])} wait for each other"
    return None


def _states(dimension: Dimension) -> tuple[Choice, ...]:
    if isinstance(dimension, CategoricalDimension):
        return dimension.choices
    return ZERO_STATES if isinstance(dimension, FloatDimension) and dimension.zero else ()


def _state(dimension: Dimension, value: Choice) -> Choice:
    if isinstance(dimension, CategoricalDimension):
        return value
    return ZERO_STATES[value != 0]


def _among(value: Choice, wanted: tuple[Choice, ...]) -> bool:
    """In Python True is among (1, 2), in a study file it is not."""
    return repr(value) in map(repr, wanted)


def _when(dimension: _Dimension) -> str:
    parts = (f"{parent} is {' or '.join(map(str, wanted))}" for parent, wanted in dimension.when.items())
    return f", when {' and '.join(parts)}" if dimension.when else ""


def _check_range(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low must be below high (found low {low}, high {high})")
    if log and low <= 0:
        raise ValueError(f"log: true needs low > 0 (found {low})")


def _zero_edge(dimension: FloatDimension) -> float:
    share = ZERO_PROBABILITY / (1 - ZERO_PROBABILITY)
    if dimension.log:
        return float(dimension.low * (dimension.low / dimension.high) ** share)
    return dimension.low - share * (dimension.high - dimension.low)


def decoded(dimension: Dimension, value: Any) -> Value:
    """Optuna's value -> the setting's."""
    if isinstance(dimension, FloatDimension) and dimension.zero and value < dimension.low:
        return 0.0
    setting: Value = value
    return setting


def encoded(dimension: Dimension, value: Value) -> Value:
    """The inverse of `_decoded`; 0 stands in the middle of its part of the range."""
    if isinstance(dimension, FloatDimension) and dimension.zero and value == 0:
        edge = _zero_edge(dimension)
        return math.sqrt(edge * dimension.low) if dimension.log else (edge + dimension.low) / 2
    return value
