"""The types of dimensions by name, and entries of a study file read as one of them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import SerializeAsAny, TypeAdapter

from codim.section import by_tag
from study.dimensions.base import Dimension
from study.dimensions.categorical import CategoricalDimension
from study.dimensions.ranges import FloatDimension, IntDimension

DIMENSION_TYPES: dict[str, type[Dimension]] = {
    "float": FloatDimension,
    "int": IntDimension,
    "categorical": CategoricalDimension,
}


def register_dimension_type(name: str, dimension: type[Dimension]) -> None:
    """Add a type of dimension to those that a study file may name.

    Each process that reads such a file must do so, and whoever analyses its results.
    """
    DIMENSION_TYPES[name] = dimension


AnyDimension = Annotated[SerializeAsAny[Dimension], by_tag("type", DIMENSION_TYPES)]
_SPACE: TypeAdapter[dict[str, Dimension]] = TypeAdapter(dict[str, AnyDimension])


def space_of(spec: Mapping[str, Any]) -> dict[str, Dimension]:
    """The dimensions of a resolved study file (spec.json), by `section/setting`."""
    return _SPACE.validate_python(spec.get("space", {}))
