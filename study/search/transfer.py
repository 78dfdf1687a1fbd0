"""Transfer along the noise axis: a condition starts from the best settings of the nearest finished one of its kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.spec.conditions import Condition

TRANSFERRED = 2
"""Number of settings that a condition takes over as its first points."""

Found = Sequence[tuple[Mapping[str, Any], float]]
"""Complete searched trials of a condition: (setting, objective)."""


def transferred(condition: Condition, finished: Mapping[Condition, Found]) -> list[dict[str, Any]]:
    """Return the best settings, the best first, of the finished condition with the nearest noise rate among those that
    differ in nothing else; empty if there is none. A tie goes to the cleaner one, where objectives tell more.

    Objectives are compared within one condition only.
    """
    nearest = min(
        (
            other
            for other, found in finished.items()
            if found and _apart_from_rate(other) == _apart_from_rate(condition)
        ),
        key=lambda other: (round(abs(other.rate - condition.rate), 9), other.rate),
        default=None,
    )
    if nearest is None:
        return []
    settings: list[dict[str, Any]] = []
    for setting, _ in sorted(finished[nearest], key=lambda trial: -trial[1]):
        if dict(setting) not in settings:
            settings.append(dict(setting))
    return settings[:TRANSFERRED]


def _apart_from_rate(condition: Condition) -> dict[str, Any]:
    return condition.noise.model_dump(exclude={"rate", "seed"})
