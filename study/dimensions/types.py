"""Registry of the types of dimensions by name, and the parser of a study file's space."""

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
    """Register a type of dimension that a study file may name.

    Every process that reads such a file must register the type, and so must the analysis of its results.

    Example:
        >>> from typing import Literal
        >>> import study
        >>> class Width(IntDimension):
        ...     type: Literal["width"]
        ...     def range_in_words(self) -> str:
        ...         return f"{self.low} to {self.high} channels"
        >>> study.register_dimension_type("width", Width)
        >>> space = space_of({"space": {"network/width": {"type": "width", "low": 4, "high": 64}}})
        >>> space["network/width"].in_words()
        '4 to 64 channels'
    """
    DIMENSION_TYPES[name] = dimension


AnyDimension = Annotated[SerializeAsAny[Dimension], by_tag("type", DIMENSION_TYPES)]
_SPACE: TypeAdapter[dict[str, Dimension]] = TypeAdapter(dict[str, AnyDimension])


def space_of(spec: Mapping[str, Any]) -> dict[str, Dimension]:
    """Return the dimensions of a resolved study file (spec.json), by `section/setting`."""
    return _SPACE.validate_python(spec.get("space", {}))
