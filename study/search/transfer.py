"""Transfer along the noise axis: a condition starts from what was best in the nearest finished one of the same kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.spec.conditions import Condition

TRANSFERRED = 2
"""Settings that a condition takes over, as its first points."""

Found = Sequence[tuple[Mapping[str, Any], float]]
"""Complete searched trials of a condition: (setting, objective)."""


def transferred(condition: Condition, finished: Mapping[Condition, Found]) -> list[dict[str, Any]]:
    """The best settings, the best first, of the finished condition whose noise differs from this one's in its rate
    only, and in that least; of two as near, the cleaner one's, where objectives say more. Empty where there is none.

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
