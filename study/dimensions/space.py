"""A space of dimensions, some of which are searched only if others have certain values."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from study.dimensions.base import Dimension, Value

Space = Mapping[str, Dimension]
"""Space of a search: `section/setting` -> dimension."""


def searched(space: Space, path: str, values: Mapping[str, Value]) -> bool:
    """Whether the `when` of a dimension holds. `values`: values of the searched dimensions before it in `in_order`."""
    return all(
        parent in values and _among(space[parent].state(values[parent]), wanted)
        for parent, wanted in space[path].when.items()
    )


def present(space: Space, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the entries of `values` for dimensions whose `when` holds."""
    kept: dict[str, Value] = {}
    for path in in_order(space):
        if path in values and searched(space, path, kept):
            kept[path] = values[path]
    return kept


def switched_on(space: Space, path: str) -> dict[str, Value]:
    """Return values of other dimensions at which `path` is searched: the first ones that meet each `when`."""
    values: dict[str, Value] = {}
    for parent, wanted in space[path].when.items():
        states = [value for value in space[parent].corners() if _among(space[parent].state(value), wanted)]
        values |= switched_on(space, parent) | {parent: states[0]}
    return values


def in_order(space: Space) -> tuple[str, ...]:
    """Return the paths, each after those that its `when` names. Raises CycleError if there is no such order."""
    return tuple(TopologicalSorter({path: dimension.when for path, dimension in space.items()}).static_order())


def nested(values: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Convert `section/setting` -> value to {section: {setting: value}}."""
    sections: dict[str, dict[str, Value]] = {}
    for path, value in values.items():
        section, setting = path.split("/")
        sections.setdefault(section, {})[setting] = value
    return sections


def when_fault(space: Space) -> tuple[str, str] | None:
    """Return the first `when` that can never hold, as (path, fault); None: all are valid."""
    for path, dimension in space.items():
        for parent, wanted in dimension.when.items():
            if parent not in space:
                others = ", ".join(other for other in space if other != path)
                return path, f"{parent} is not a dimension of this space; allowed: {others}"
            states = space[parent].states()
            if not states:
                return (
                    path,
                    f"{parent} cannot be a switch; allowed: a categorical dimension, or a float with zero: true",
                )
            unknown = [value for value in wanted if not _among(value, states)]
            if unknown:
                return path, f"{parent} is never {unknown[0]!r}; allowed: {', '.join(map(str, states))}"
    try:
        in_order(space)
    except CycleError as error:
        return str(error.args[1][0]), f"{' -> '.join(error.args[1])} depend on each other in a circle"
    return None


def _among(value: Value, wanted: tuple[Value, ...]) -> bool:
    """Whether `value` is in `wanted`, types included: in Python True is in (1, 2), in a study file it is not."""
    return repr(value) in map(repr, wanted)
