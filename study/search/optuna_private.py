"""All private parts of Optuna that the search uses; written for Optuna 5.0, and tested with it."""

from collections.abc import Callable
from typing import Any

import optuna


def handle_of(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> optuna.Trial:
    """Return what ends a trial that another process of Optuna 5.0 asked for."""
    return optuna.Trial(study, trial._trial_id)


def params_of(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return the parameters of a trial, and those that it was enqueued with and did not get to, in Optuna 5.0."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


class ViewingHyperband(optuna.pruners.HyperbandPruner):
    """The Hyperband of Optuna 5.0, which reads trials from the storage; each bracket sees a `view` of its study."""

    def __init__(self, view: Callable[[optuna.Study], optuna.Study], *arguments: int) -> None:
        super().__init__(*arguments)
        self._view = view

    def _create_bracket_study(self, study: optuna.Study, bracket_id: int) -> optuna.Study:
        return self._view(super()._create_bracket_study(study, bracket_id))
