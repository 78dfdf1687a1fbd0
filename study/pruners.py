"""Optuna's pruners by the names of a study file, for trials that may be interrupted and go on."""

import math
from typing import Any

import optuna

from study.attempt import INTERRUPTED
from study.spec import Pruner


def make_pruner(pruner: Pruner, budget: int) -> optuna.pruners.BasePruner:
    """Of one condition's search. `budget`: of a searched trial, in samples; steps are thousands of samples.

    Hyperband's brackets differ in where they may stop a trial, not in what the sampler learns from: Optuna would give
    each bracket's trials a model of their own, which at tens of trials a condition never gets past its start. Hidden
    in `_Fair`, it does not.
    """
    first = max(math.ceil(pruner.min_budget / 1000), 1)
    if pruner.kind == "successive_halving":
        return _Fair(optuna.pruners.SuccessiveHalvingPruner(first, pruner.reduction_factor))
    if pruner.kind == "hyperband":
        return _Fair(_Hyperband(first, budget // 1000, pruner.reduction_factor))
    if pruner.kind == "median":
        return _Fair(optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=first))
    return optuna.pruners.NopPruner()


def rungs(pruner: Pruner, budget: int) -> list[int]:
    """Samples after which a trial can be stopped, for median the first such number only; empty: never."""
    if pruner.kind == "none":
        return []
    places = [max(math.ceil(pruner.min_budget / 1000), 1) * 1000]
    while pruner.kind != "median" and places[-1] * pruner.reduction_factor < budget:
        places.append(places[-1] * pruner.reduction_factor)
    return places


class _Fair(optuna.pruners.BasePruner):
    """A pruner in which an interrupted attempt no longer competes: the attempt that continues it does."""

    def __init__(self, inner: optuna.pruners.BasePruner) -> None:
        self.inner = inner

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return self.inner.prune(_WithoutInterrupted(study), trial)  # type: ignore[arg-type]


class _Hyperband(optuna.pruners.HyperbandPruner):
    """Optuna's, which looks past the study that it is given, and into the storage."""

    def _create_bracket_study(self, study: optuna.Study, bracket_id: int) -> optuna.Study:
        return _WithoutInterrupted(super()._create_bracket_study(study, bracket_id))  # type: ignore[return-value]


class _WithoutInterrupted:
    """What a pruner sees of an Optuna study."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, *args: Any, **kwargs: Any) -> list[optuna.trial.FrozenTrial]:
        trials = self._study.get_trials(*args, **kwargs)
        return [trial for trial in trials if trial.user_attrs.get("cause") != INTERRUPTED.cause]
