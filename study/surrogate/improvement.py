"""The next setting to try in a condition, and the expected regret of choosing now, by the model of all trials.

Of many candidates, spread evenly over the space and around the best known settings, the one with the highest expected
improvement is found: over the best of the known settings and those still running, whose values are uncertain too
(noisy expected improvement; Letham et al. 2019, arXiv 1706.07094). A search may end by the expected regret of choosing
now (after Makarova et al. 2022, arXiv 2104.08166, who bound it): what the next trial alone would gain falls below any
useful size long before a search has found anything (benchmarks/stop_when.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import qmc

from study.dimensions.base import Value
from study.dimensions.quantiles import at, quantile
from study.dimensions.space import Space, present
from study.surrogate.process import Surrogate
from study.surrogate.task import Setting, Task

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
Point = dict[str, Any]
"""Values in Optuna's distributions, one for each dimension whether its `when` holds or not."""


class Proposal(NamedTuple):
    """The most promising candidate."""

    point: Point
    regret: float
    """Accuracy on true labels by which the best of all candidates probably exceeds the setting that would be chosen
    now."""


class Candidates:
    """Settings that a condition's next trial may have."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.distributions = {path: dimension.distribution() for path, dimension in space.items()}

    def best(
        self,
        model: Surrogate,
        task: Task,
        known: Sequence[Setting],
        own: Sequence[int],
        running: Sequence[Setting],
        seed: int,
    ) -> Proposal:
        """Return the candidate with the highest expected improvement at a task.

        Args:
            known: settings that were tried at any task, at least one; a candidate must improve on the best of them.
            own: positions of those of this task, of which one would be chosen now; if there are none, one of all.
            running: settings of this task whose trials have not ended.
        """
        values = model.mean(known, task)
        now = known[max(own or range(len(known)), key=lambda i: float(values[i]))]
        best = [known[i] for i in np.argsort(-values)[:COMPARED]]
        points = [*self._spread(seed), *self._near(best[:BEST], seed)]
        compared = [now, *best, *running]
        drawn = model.draws([*compared, *map(self._setting, points)], [task], SAMPLES, seed)[:, 0]
        over = drawn[:, len(compared) :] - drawn[:, : len(compared)].max(1, keepdims=True)
        chosen = int(np.logaddexp(over / SMALL, 0).mean(0).argmax())
        return Proposal(points[chosen], float((drawn.max(1) - drawn[:, 0]).mean()))

    def _spread(self, seed: int) -> list[Point]:
        return [self._at(row) for row in qmc.Sobol(len(self.distributions), rng=seed).random(SPREAD)]

    def _near(self, best: Sequence[Setting], seed: int) -> list[Point]:
        rng = np.random.default_rng(seed)
        middle = dict.fromkeys(self.distributions, 0.5)
        places = [
            middle | {path: quantile(self.distributions[path], self.space[path].encode(own[path])) for path in own}
            for own in best
        ]
        rows = [[place[path] for path in self.distributions] for place in places]
        moved = np.repeat(rows, NEAR // len(rows), axis=0)
        moved = (moved + rng.normal(0, NEARNESS, moved.shape)).clip(0, 1 - 1e-9)
        return [self._at(row) for row in moved]

    def _at(self, row: Iterable[float]) -> Point:
        return {path: at(own, float(u)) for (path, own), u in zip(self.distributions.items(), row, strict=True)}

    def _setting(self, point: Point) -> Mapping[str, Value]:
        return present(self.space, {path: self.space[path].decode(value) for path, value in point.items()})
