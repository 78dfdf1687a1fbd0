"""fANOVA (Hutter et al. 2014, PMLR 32, p. 754) by Optuna: the share of the objective's variance over the whole space
that each setting explains on its own, according to a random forest.

It needs settings that all trials have. A trial with a 0 beside a range lacks that setting, and is left out; a setting
that trials lack for another reason (its `when`) has no importance here, as in Optuna by default.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from analysis.frames.settings import Setting

# Chosen for speed. Optuna's defaults are 64 and 64: with four settings and 125 trials no importance differs from
# theirs by more than ten points, where another seed alone makes six.
TREES = 12
DEPTH = 5
RESAMPLE_TREES = 4
MAX_TRIALS = 200
MIN_TRIALS = 10


def fanova_input(frame: pd.DataFrame, settings: Sequence[Setting]) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Return the settings that every trial has or has switched off, and which trials (trials,) have them all on: at
    most MAX_TRIALS, drawn at random, and none if there are fewer than MIN_TRIALS."""
    shared = [setting for setting in settings if setting.values(frame).notna().all()]
    on = np.ones(len(frame), dtype=bool)
    for setting in shared:
        if setting.axis.zero:
            on &= setting.values(frame).ne(0).to_numpy()
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(on))[:MAX_TRIALS]
    used = np.zeros(len(frame), dtype=bool)
    if len(drawn) >= MIN_TRIALS:
        used[drawn] = True
    return [setting.path for setting in shared], used


def fanova(
    study: optuna.Study, objectives: npt.NDArray[np.float64], names: Sequence[str], trees: int
) -> dict[str, float]:
    """Return the importance by setting, which sums to 1; empty if fewer than two trials have an objective (NaN: not
    used), or no tree finds a difference."""
    if np.isfinite(objectives).sum() < 2:
        return {}
    evaluator = FanovaImportanceEvaluator(n_trees=trees, max_depth=DEPTH, seed=0)
    try:
        return get_param_importances(
            study, evaluator=evaluator, params=list(names), target=lambda trial: float(objectives[trial.number])
        )
    except RuntimeError:  # all trials of every tree are equal
        return {}
