"""A study file for the tests, small, whose trainings last a second; and what the fixtures of conftest.py give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SPEC: dict[str, Any] = {
    "name": "tiny",
    "fixed": {
        "augment": {"crop_padding": 1, "flip": False},
        "network": {"width": 4},
        "pretrain": {"epochs": 1},
        "warmup": {"epochs": 1},
        "mixmatch": {"rampup_epochs": 1},
        "train": {"samples": 8000, "epoch": "dataset"},
    },
    "conditions": [{"kind": "symmetric", "rate": 0.5}, {"kind": "symmetric", "rate": 0.8}],
    "space": {"mixmatch/lambda_u": {"type": "float", "low": 1, "high": 100, "log": True}},
    "baselines": {"codim-sup": {"method": "codim-sup"}},
    "pruner": {"kind": "none"},
    "budget": {"trials_per_condition": 2},
    "checkpoint_seconds": 0,
}

WriteStudy = Callable[..., Path]


class Host(NamedTuple):
    """Where a node runs."""

    inside: tuple[str, ...] = ()
    """Start of every command there."""
    options: tuple[str, ...] = ()
    """Of `ray start` there."""


HERE = Host()


class Head(NamedTuple):
    """A cluster's head."""

    address: str
    environment: dict[str, str]
    """With it a process may join, and finds our packages."""
    start: list[str]
    """Command that starts a node, up to the address."""
    pid: int
    host: Host
