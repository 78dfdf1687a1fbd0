"""Optuna's pruners by the names of a study file, for trials that may be interrupted and go on.

What they count is the co-training: pre-training and warm-up are much the same for all settings, and most of a short
budget. Were they counted, the second rung would lie behind the end, and most of what is to be saved would be trained.
"""

from random import Random
from typing import Any

import optuna

from codim.budget import milestones
from codim.config import TrainConfig
from study.attempt import INTERRUPTED
from study.conditions import ConditionData
from study.spec import Pruner

CURVE_POINTS = 50
"""Steps at which a trial's curve is given to the pruner, about."""


def stages_end(config: TrainConfig, data: ConditionData) -> int:
    """Samples of a trial that no pruner counts."""
    marks = milestones(config, data.images, data.training_images)
    return marks.warmup if config.train.co_training else marks.pretrain


def make_pruner(pruner: Pruner, budget: int, stages: int) -> optuna.pruners.BasePruner:
    """Of a condition's search. `budget`, `stages`: of a searched trial, in samples. Steps are samples past the stages.

    Hyperband's brackets differ in where they may stop a trial, not in what the sampler learns from: Optuna would give
    each bracket's trials a model of their own, which at tens of trials a condition never gets past its start. Hidden
    in `_Fair`, it does not.
    """
    first = first_step(pruner, stages)
    if pruner.kind == "successive_halving":
        return _Fair(optuna.pruners.SuccessiveHalvingPruner(first, pruner.reduction_factor))
    if pruner.kind == "hyperband":
        return _Fair(_Hyperband(first, budget - stages, pruner.reduction_factor))
    if pruner.kind == "median":
        return _Fair(optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=first))
    return optuna.pruners.NopPruner()


def first_step(pruner: Pruner, stages: int) -> int:
    """At which a trial can be stopped."""
    return max(pruner.min_budget - stages, 1)


def common_step(samples: int, first: int, budget: int) -> int:
    """The last step of a grid, CURVE_POINTS or more over the budget, that a trial has reached so many samples past the
    stages. The median pruner compares equal steps, and epochs differ in length; every rung lies on the grid."""
    points = max(1, round(first * CURVE_POINTS / budget))
    return -(-(samples * points // first) * first // points)


def rungs(pruner: Pruner, budget: int, stages: int) -> list[int]:
    """Samples after which a trial can be stopped, for median the first such number only; empty: never."""
    if pruner.kind == "none":
        return []
    steps = [first_step(pruner, stages)]
    while pruner.kind != "median" and stages + steps[-1] * pruner.reduction_factor < budget:
        steps.append(steps[-1] * pruner.reduction_factor)
    return [stages + step for step in steps]


SIMULATED_STUDIES, SIMULATED_TRIALS = 20, 100
"""Behind an expected share; trials of one study at most, since of more the share hardly changes."""


def drawn_share(pruner: Pruner, budget: int, stages: int, trials: int) -> float:
    """Return the share of the samples past the stages that searched trials are expected to draw: simulated, of trials
    that come one after the other in random order, each as good at every step as at its end."""
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
