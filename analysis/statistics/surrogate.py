"""The study's own model of all its trials (study/surrogate/process.py), fitted to the tables.

The targets are objectives only; the realised noise, which only an observer knows, places a condition on the noise axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from analysis.frames.load import NotApplicable, Trials, once
from analysis.frames.settings import params, searched_settings
from analysis.statistics.resolution import objective_slope
from analysis.tables.selection import baseline_points, finished_trials
from analysis.tables.study_tables import condition_table
from codim.noise.transition import Floats
from study.dimensions.space import present
from study.dimensions.types import space_of
from study.surrogate.task import Known, Task

if TYPE_CHECKING:
    from study.surrogate.process import Surrogate

MIN_TRIALS = 10
"""Minimum number of finished searched trials of a condition; conditions with fewer are left out."""


@dataclass(frozen=True)
class TrialModel:
    """Fitted model. Its values are differences of accuracy on true labels; only those at one rate are comparable."""

    trials: Trials
    tasks: dict[str, Task]
    """Task of each condition in the fit; its kind is the name of the kind of noise."""
    tried: pd.DataFrame
    """Trials that the model was fitted to; objectives as `rules.counted` counts them."""
    surrogate: "Surrogate"

    def rates(self, kind: str) -> "pd.Series[float]":
        """Return the realised rate of each condition with this kind of noise, indexed by condition, sorted. Raises
        NotApplicable: there is none."""
        found = {name: task.rate for name, task in self.tasks.items() if task.kind == kind}
        if not found:
            kinds = ", ".join(sorted({task.kind for task in self.tasks.values()}))
            raise NotApplicable(
                f"Advice for {kind} noise needs a condition of that kind with {MIN_TRIALS} finished searched trials, "
                f"one of them complete, and an objective that can rank. Kinds in this study: {kinds}."
            )
        return pd.Series(found).sort_values()

    def draws(self, settings: pd.DataFrame, tasks: Sequence[Task], n: int) -> Floats:
        """Draw values (n, tasks, settings) of settings (columns `param/...`) from the posterior, jointly over both. A
        value whose dimension is switched off does not count."""
        rows = [present(self.surrogate.space, row) for row in params(self.trials.spec, settings)]
        return self.surrogate.draws(rows, tasks, n)


@once
def fit_model(trials: Trials) -> TrialModel:
    """Fit the model to the finished searched trials of all conditions that can rank, and to baselines inside the space:
    the default settings are measured by nothing else.

    Raises NotApplicable: nothing was searched, or there are too few such trials.
    """
    from study.surrogate.process import fit  # torch is slow to import, and no process that only draws needs it

    if not searched_settings(trials.spec):
        raise NotApplicable("The study file names no searched setting.")
    table, images = condition_table(trials), int(trials.environment.get("validation_images") or 0)
    parts, tasks, known = list[pd.DataFrame](), dict[str, Task](), list[Known]()
    for condition, row in table[table["oracle_noise_rate"].notna()].iterrows():
        name, own = str(condition), finished_trials(trials, str(condition))
        if len(own) < MIN_TRIALS or not own["status"].eq("complete").any():
            continue
        kind, rate, classes = str(row["noise_kind"]), float(row["oracle_noise_rate"]), int(row["classes"])
        task = Task(kind, rate, objective_slope(kind, rate, classes, str(own["oracle_transition"].iloc[0])), images)
        if task.ranks:
            own = pd.concat([own, baseline_points(trials, name)])
            tasks[name] = task
            parts.append(own)
            pairs = zip(params(trials.spec, own), own["objective"], strict=True)
            known += [Known(name, setting, float(objective)) for setting, objective in pairs]
    surrogate = fit(space_of(trials.spec), tasks, known, cautious=True)
    if surrogate is None:
        raise NotApplicable(
            f"A model of the trials needs a condition with {MIN_TRIALS} finished searched trials, one of them "
            "complete, and an objective that can rank."
        )
    return TrialModel(trials, tasks, pd.concat(parts), surrogate)
