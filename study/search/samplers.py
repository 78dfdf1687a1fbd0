"""Optuna's samplers by the names in a study file, and the quasi-random points that come first."""

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from scipy.stats import qmc

from study.dimensions.quantiles import at
from study.spec.sections import Sampler
from study.spec.study_spec import StudySpec


def make_sampler(spec: StudySpec, seed: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of one condition's search.

    gp and cmaes model only the dimensions that every trial has (cmaes: only numeric ones) and learn from complete
    trials alone; both use TPE for the other dimensions.
    """
    own = spec.sampler
    if own.kind in ("random", "qmc"):
        return optuna.samplers.RandomSampler(seed)
    conditional = any(dimension.when for dimension in spec.space.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        tpe = optuna.samplers.TPESampler(
            n_startup_trials=own.startup,
            multivariate=True,
            # A separate joint model for each set of dimensions that are searched together.
            group=conditional,
            constant_liar=True,
            seed=seed,
        )
    if own.kind == "gp":
        return optuna.samplers.GPSampler(
            seed=seed, independent_sampler=tpe, n_startup_trials=own.startup, warn_independent_sampling=False
        )
    if own.kind == "cmaes":
        return optuna.samplers.CmaEsSampler(
            seed=seed, independent_sampler=tpe, n_startup_trials=own.startup, warn_independent_sampling=False
        )
    return tpe


def quasi_random(
    sampler: Sampler, distributions: Mapping[str, BaseDistribution], seed: int, index: int
) -> dict[str, Any]:
    """Return the index-th quasi-random point of a condition (Sobol, scrambled by `seed`); empty: the sampler chooses.
    Every dimension has a value, whether its `when` holds or not."""
    if sampler.kind == "random" or (sampler.kind != "qmc" and index >= sampler.startup):
        return {}
    points = qmc.Sobol(len(distributions), seed=seed)
    if index:
        points.fast_forward(index)
    return {path: at(own, u) for u, (path, own) in zip(points.random(1)[0], distributions.items(), strict=True)}
