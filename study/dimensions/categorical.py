"""Categorical dimensions: unordered choices."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from study.dimensions.base import Axis, Dimension, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class CategoricalDimension(Dimension):
    """A setting that takes one of a few unordered values."""

    type: Literal["categorical"]
    choices: tuple[Value, ...] = Field(min_length=2, max_length=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({repr(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError(f"choices must differ (found {list(self.choices)})")
        return self

    def range_in_words(self) -> str:
        return f"one of {', '.join(map(str, self.choices))}"

    def corners(self) -> tuple[Value, ...]:
        return self.choices

    def states(self) -> tuple[Value, ...]:
        return self.choices

    def distribution(self) -> "BaseDistribution":
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.choices)

    def axis(self) -> Axis:
        return Axis(choices=self.choices)
