"""Studies whose truth is a known bowl over the settings, the same at every noise rate, for tests of the advice."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.frames.load import Trials, load_trials
from tests.support import synthetic
from tests.support.synthetic import record

RATES = {"r0.1": 0.1, "r0.3": 0.3, "r0.5": 0.5}
RANGES = {  # of the default settings, all on a logarithmic scale but the last
    "contrastive/temperature": (0.05, 1.0),
    "contrastive/weight": (0.001, 1.0),
    "mixmatch/lambda_u": (1.0, 100.0),
    "divide/p_threshold": (0.02, 0.9),
}
LOSS = np.array([0.10, 0.04, 0.04, 0.01])
"""Accuracy lost with each setting at the distance of its whole range from the best value; it grows with the square."""
DEFAULT = {
    "contrastive/temperature": 0.3,
    "contrastive/weight": 0.1,
    "mixmatch/lambda_u": 25.0,
    "divide/p_threshold": 0.5,
}
FROM_DEFAULT = {"near the best": (0.05, 0.05, -0.05, 0.05), "not the best": (-0.36, 0.24, 0.0, 0.0)}
"""Where the best setting lies, seen from the default, in shares of the ranges: .05 and 1.5 points away."""
SPEC = synthetic.SPEC | {
    "conditions": [{"id": name, "kind": "symmetric", "rate": rate} for name, rate in RATES.items()],
    "space": {
        path: {"type": "float", "low": low, "high": high, "log": path != "divide/p_threshold"}
        for path, (low, high) in RANGES.items()
    },
    "baselines": {"codim-sup": {}},
}


def shares(settings: Mapping[str, float]) -> list[float]:
    """Where in its range each setting lies."""
    found = []
    for path, (low, high) in RANGES.items():
        value = float(settings[path])
        linear = path == "divide/p_threshold"
        found.append((value - low) / (high - low) if linear else math.log(value / low) / math.log(high / low))
    return found


def at(places: NDArray[np.float64]) -> dict[str, float]:
    """The inverse of `shares`."""
    found = {}
    for (path, (low, high)), u in zip(RANGES.items(), places, strict=True):
        found[path] = float(low + u * (high - low) if path == "divide/p_threshold" else low * (high / low) ** u)
    return found


def regret(settings: Mapping[str, float], default: str) -> float:
    """Accuracy on true labels below the best there is. `default`: a key of FROM_DEFAULT."""
    best = np.array(shares(DEFAULT)) + FROM_DEFAULT[default]
    return float((LOSS * (np.array(shares(settings)) - best) ** 2).sum())


def write(root: Path, default: str, n: int, seed: int, error: float = 0.01) -> Trials:
    """A study with the default and `n` random settings in each condition, all complete; `error`: the standard deviation
    of an objective around its expectation."""
    rng = np.random.default_rng(seed)
    rows = []
    for condition, rate in RATES.items():
        for i in range(n + 1):
            params = at(rng.random(4)) if i else DEFAULT
            worth = 0.95 - regret(params, default)
            objective = rate / 9 + worth * (1 - rate * 10 / 9) + rng.normal(0, error)
            own = {"condition": condition, "trial": f"{condition}-{i:04d}", "noise_rate": rate, "epochs": 0}
            trial = record("symmetric-0.2", i, worth, params=params, baseline="" if i else "codim-sup")
            rows.append(replace(trial, **own, oracle_noise_rate=rate, objective=objective))
    return load_trials(synthetic.write(root, rows, SPEC))
