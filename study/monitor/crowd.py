"""Crowd: the predictions of a study's complete searched trials, and the consensus of each condition's."""

import math

import numpy as np

from study.plan.plan import Plan
from study.plan.tasks import tasks_of
from study.results.predictions import SCALE, Predictions
from study.surrogate.consensus import FEWEST, consensus

MOST = 20_000_000
"""Maximum number of probabilities of all trials together that a consensus is made of; 2 to 3 seconds of the driver.
Beyond it images are left out, evenly."""


class Crowd:
    """Keeps the newest consensus of each condition until trials are added."""

    def __init__(self, plan: Plan) -> None:
        self._tasks = tasks_of(plan)
        self._predictions: dict[str, dict[str, Predictions]] = {name: {} for name in self._tasks}
        self._newest: dict[str, dict[str, tuple[float, float]]] = {}

    def add(self, condition: str, trial: str, predictions: Predictions) -> None:
        """Add a trial. Trials for other validation images, from before images were added to the data, are left out
        from here on."""
        own = self._predictions[condition]
        own |= {trial: predictions}
        for name, other in list(own.items()):
            if not np.array_equal(other.labels, predictions.labels):
                del own[name]
        self._newest.pop(condition, None)

    def consensus(self, condition: str) -> dict[str, tuple[float, float]]:
        """Return trial -> objective by the consensus of all, and its standard error; empty where they are too few, or
        their labels too noisy to say anything."""
        own, task = self._predictions[condition], self._tasks[condition]
        if len(own) < FEWEST or not task.ranks:
            return {}
        if condition not in self._newest:
            trials = sorted(own)  # sums must not depend on which trial ended first
            first = own[trials[0]]
            step = math.ceil(len(trials) * first.probability.size / MOST)
            probability = [own[trial].probability[::step] / SCALE for trial in trials]
            agreed = consensus(probability, first.labels[::step], task.slope)
            pairs = zip(agreed.value.tolist(), agreed.error.tolist(), strict=True)
            self._newest[condition] = dict(zip(trials, pairs, strict=True))
        return self._newest[condition]
