"""Optuna's pruners by the names in a study file, for trials that may be interrupted and resumed.

Their steps count co-training only: pre-training and warm-up are much the same for all settings, and most of a short
budget. If they were counted, the second rung would lie past the end, and little would be saved.
"""

from random import Random
from typing import Any

import optuna

from study.plan.rungs import CURVE_POINTS, common_step, first_step
from study.search.optuna_private import ViewingHyperband
from study.spec.sections import Pruner
from study.trial import INTERRUPTED


def make_pruner(pruner: Pruner, budget: int, stages: int) -> optuna.pruners.BasePruner:
    """Return the pruner of a condition's search. `budget`: samples of a searched trial; `stages`: those of its
    pre-training and warm-up.

    Steps are samples past the stages. Optuna would fit a separate sampler model to each bracket of Hyperband, which
    with tens of trials per condition never gets past its start-up. `_Fair` hides the brackets from the sampler.
    """
    first = first_step(pruner, stages)
    if pruner.kind == "successive_halving":
        return _Fair(optuna.pruners.SuccessiveHalvingPruner(first, pruner.reduction_factor))
    if pruner.kind == "hyperband":
        return _Fair(ViewingHyperband(_without_interrupted, first, budget - stages, pruner.reduction_factor))
    if pruner.kind == "median":
        return _Fair(optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=first))
    return optuna.pruners.NopPruner()


SIMULATED_STUDIES, SIMULATED_TRIALS = 20, 100
"""Number of simulated studies, and most trials in each; with more trials the share hardly changes."""


def drawn_share(pruner: Pruner, budget: int, stages: int, trials: int) -> float:
    """Return the share of the samples past the stages that searched trials are expected to draw, by simulating trials
    one after another in random order, each as good at every step as at its end."""
    trials, end, drawn = min(trials, SIMULATED_TRIALS), budget - stages, 0
    if pruner.kind == "none" or not trials:
        return 1.0
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    first, draw = first_step(pruner, stages), Random(0)
    steps = sorted({common_step(end * point // CURVE_POINTS, first, budget) for point in range(1, CURVE_POINTS)})
    for number in range(SIMULATED_STUDIES):
        # Hyperband draws a trial's bracket from the study's name.
        own = make_pruner(pruner, budget, stages)
        study = optuna.create_study(study_name=str(number), direction="maximize", pruner=own)
        for _ in range(trials):
            trial, value = study.ask(), draw.random()
            for step in steps:
                trial.report(value, step)
                if trial.should_prune():
                    drawn += step
                    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                    break
            else:
                drawn += end
                study.tell(trial, value)
    return drawn / (SIMULATED_STUDIES * trials * end)


class _Fair(optuna.pruners.BasePruner):
    """A pruner to which interrupted attempts are invisible; the attempts that continue them compete instead."""

    def __init__(self, inner: optuna.pruners.BasePruner) -> None:
        self.inner = inner

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return self.inner.prune(_without_interrupted(study), trial)


def _without_interrupted(study: optuna.Study) -> optuna.Study:
    return _WithoutInterrupted(study)  # type: ignore[return-value]


class _WithoutInterrupted:
    """View of an Optuna study without interrupted attempts, for pruners."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, *args: Any, **kwargs: Any) -> list[optuna.trial.FrozenTrial]:
        trials = self._study.get_trials(*args, **kwargs)
        return [trial for trial in trials if trial.user_attrs.get("cause") != INTERRUPTED.cause]
