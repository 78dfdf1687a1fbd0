"""Rules on which trial counts for what; the study and the analysis both ask here.

Each rule takes plain values, so that it serves a record as well as a row of the table.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

FINISHED = ("complete", "pruned")
"""Statuses of a trial whose objective is known, if only at an early epoch; no other one counts for anything."""


def may_be_best(status: str, constraints: Mapping[str, float]) -> bool:
    """Whether a trial may be chosen: it is complete and within every bound of the study.

    Args:
        constraints: bound -> how far the trial lies beyond it.

    Example:
        >>> may_be_best("complete", {"seconds": -3.0}), may_be_best("pruned", {})
        (True, False)
    """
    return status == "complete" and all(beyond <= 0 for beyond in constraints.values())


def counted(trials: Iterable[tuple[str, float]]) -> list[float]:
    """Objectives of finished trials (status, objective), as a model of them counts them: a pruned one with its last
    value, capped at the worst complete one.

    That underestimates it, but without it good values would be predicted where pruning found bad ones.

    Example:
        >>> counted([("complete", 0.6), ("pruned", 0.7), ("pruned", 0.5)])
        [0.6, 0.6, 0.5]
    """
    known = list(trials)
    worst = min((objective for status, objective in known if status == "complete"), default=float("inf"))
    return [objective if status == "complete" else min(objective, worst) for status, objective in known]


def compared(objective: float, consensus: float) -> float:
    """Return the number by which a finished trial is compared with others: its consensus, where the study takes one.

    Example:
        >>> compared(0.25, float("nan")), compared(0.25, 0.27)
        (0.25, 0.27)
    """
    return consensus if math.isfinite(consensus) else objective


def worth(trials: Iterable[tuple[float, float]]) -> list[float]:
    """Numbers by which a condition's complete searched trials (objective, value) are ranked: their values if all have
    one, as once the search has ended; else their objectives.

    Example:
        >>> worth([(0.61, -0.02), (0.59, 0.03)]), worth([(0.61, -0.02), (0.59, float("nan"))])
        ([-0.02, 0.03], [0.61, 0.59])
    """
    known = list(trials)
    valued = all(math.isfinite(value) for _, value in known)
    return [value if valued else objective for objective, value in known]


def unsearched(config: Mapping[str, Any], space: Collection[str]) -> dict[str, Any]:
    """Return a trial's config without its searched settings and its seed.

    A baseline is a point of the space if these are those of a searched trial, and its searched settings lie inside.

    Example:
        >>> unsearched({"train": {"seed": 3}, "optim": {"lr": 0.1, "momentum": 0.9}}, ["optim/lr"])
        {'train': {}, 'optim': {'momentum': 0.9}}
    """
    searched = {*space, "train/seed"}
    return {
        section: {name: value for name, value in settings.items() if f"{section}/{name}" not in searched}
        for section, settings in config.items()
    }
