"""The joint sampler: proposes a condition's next setting by one model of the trials of all conditions.

Of many candidates, spread evenly over the space and around the best known settings, the one with the highest expected
improvement is taken: over the best of the known settings and those still running, whose values are uncertain too
(noisy expected improvement; Letham et al. 2019, arXiv 1706.07094).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from optuna.distributions import BaseDistribution
from scipy.stats import qmc

from study.dimensions.base import Value
from study.dimensions.space import present
from study.plan.plan import Plan
from study.plan.tasks import tasks_of
from study.search.distributions import at, quantile
from study.spec.conditions import Condition
from study.surrogate.process import Surrogate, fit
from study.surrogate.task import Known

SPREAD, NEAR = 256, 128
"""Number of candidates over the whole space (a power of two), and around the best known settings."""
BEST = 4
"""Number of best known settings around which candidates lie."""
NEARNESS = 0.1
"""Standard deviation of those candidates, in shares of a range."""
COMPARED = 32
"""Number of best known settings over which a candidate must improve."""
SAMPLES = 256
"""Number of posterior draws in which the improvement is measured."""
SMALL = 1e-3
"""Improvement in accuracy below which a candidate still counts as slightly better the closer it comes: far from any
improvement, candidates would otherwise be equal."""
GROWTH = 1.1
"""Growth of the number of trials after which the model's hyper-parameters are fitted again."""
Point = dict[str, Any]
"""Values in Optuna's distributions, one for each dimension whether its `when` holds or not."""


class Joint:
    """Keeps the model from one proposal to the next."""

    def __init__(self, plan: Plan, distributions: Mapping[str, BaseDistribution]) -> None:
        torch.set_num_threads(1)  # the driver shares its machine with trials
        self.plan, self.distributions = plan, distributions
        self.tasks = tasks_of(plan)
        self._model: Surrogate | None = None
        self._fitted = 0
        """Number of trials to which the hyper-parameters were fitted."""

    def propose(
        self, condition: Condition, known: Sequence[Known], running: Sequence[Mapping[str, Value]], seed: int
    ) -> Point:
        """Return the next point of a condition; empty while no finished trial can be ranked.

        Args:
            known: finished trials of all conditions. running: settings of this condition's running trials.
        """
        model = self._fit(known)
        if model is None:
            return {}
        task = self.tasks[condition.id]
        tried = [trial.setting for trial in known]
        best = [tried[i] for i in np.argsort(-model.mean(tried, task))[:COMPARED]]
        points = [*self._spread(seed), *self._near(best[:BEST], seed)]
        compared = [*best, *running]
        drawn = model.draws([*compared, *map(self._setting, points)], [task], SAMPLES, seed)[:, 0]
        over = drawn[:, len(compared) :] - drawn[:, : len(compared)].max(1, keepdims=True)
        return points[int(np.logaddexp(over / SMALL, 0).mean(0).argmax())]

    def _fit(self, known: Sequence[Known]) -> Surrogate | None:
        again = len(known) >= GROWTH * self._fitted
        self._model = fit(self.plan.spec.space, self.tasks, known, like=None if again else self._model)
        if again:
            self._fitted = len(known)
        return self._model

    def _spread(self, seed: int) -> list[Point]:
        return [self._at(row) for row in qmc.Sobol(len(self.distributions), rng=seed).random(SPREAD)]

    def _near(self, best: Sequence[Mapping[str, Value]], seed: int) -> list[Point]:
        rng, space = np.random.default_rng(seed), self.plan.spec.space
        middle = dict.fromkeys(self.distributions, 0.5)
        places = [
            middle | {path: quantile(self.distributions[path], space[path].encode(own[path])) for path in own}
            for own in best
        ]
        rows = [[place[path] for path in self.distributions] for place in places]
        moved = np.repeat(rows, NEAR // len(rows), axis=0)
        moved = (moved + rng.normal(0, NEARNESS, moved.shape)).clip(0, 1 - 1e-9)
        return [self._at(row) for row in moved]

    def _at(self, row: Iterable[float]) -> Point:
        return {path: at(own, float(u)) for (path, own), u in zip(self.distributions.items(), row, strict=True)}

    def _setting(self, point: Point) -> dict[str, Value]:
        space = self.plan.spec.space
        return present(space, {path: space[path].decode(value) for path, value in point.items()})
