"""The joint sampler: proposes a condition's next setting by one model of the trials of all conditions."""

from collections.abc import Sequence

import torch

from study.plan.plan import Plan
from study.plan.tasks import tasks_of
from study.spec.conditions import Condition
from study.surrogate.improvement import Candidates, Proposal
from study.surrogate.process import Surrogate, fit
from study.surrogate.task import Known, Setting

GROWTH = 1.1
"""Growth of the number of trials after which the model's hyper-parameters are fitted again."""


class Joint:
    """Keeps the model from one proposal to the next."""

    def __init__(self, plan: Plan) -> None:
        torch.set_num_threads(1)  # the driver shares its machine with trials
        self.plan, self.tasks = plan, tasks_of(plan)
        self._candidates = Candidates(plan.spec.space)
        self._model: Surrogate | None = None
        self._fitted = 0
        """Number of trials to which the hyper-parameters were fitted."""

    def propose(
        self, condition: Condition, known: Sequence[Known], running: Sequence[Setting], seed: int
    ) -> Proposal | None:
        """Return the next point of a condition; None while no finished trial can be ranked.

        Args:
            known: finished trials of all conditions. running: settings of this condition's running trials.
        """
        model = self._fit(known)
        if model is None:
            return None
        tried = [trial.setting for trial in known]
        own = [i for i, trial in enumerate(known) if trial.condition == condition.id]
        return self._candidates.best(model, self.tasks[condition.id], tried, own, running, seed)

    def _fit(self, known: Sequence[Known]) -> Surrogate | None:
        again = len(known) >= GROWTH * self._fitted
        self._model = fit(self.plan.spec.space, self.tasks, known, like=None if again else self._model)
        if again:
            self._fitted = len(known)
        return self._model
