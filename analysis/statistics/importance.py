"""Importance of the settings for a trial to be among the best, per condition.

PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255) in its conditional form (arXiv 2601.20800), as Optuna implements it,
compares where the top trials lie with where all trials lie; in addition, fANOVA of the same trials. Two decisions:

* A 0 beside a range is not a point of that range: one axis for both would make the gap between 0 and `low` count as
  explored. Its trials enter PED-ANOVA as trials without this setting, and `switch_table` compares on with off by ranks.
  (As a choice inside PED-ANOVA, an on/off that most trials share hardly counts, even if off always loses.)
* A pruned trial, or one beyond a bound of the study, counts among the rest, just behind the worst complete one (tied
  with it, it could be counted at the top). PED-ANOVA and `switch_table` only use ranks, and leaving out what pruning
  judged bad would hide the very settings that made it bad.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial
from scipy import stats

from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Point, points, searched_settings
from analysis.statistics.comparison import holm
from analysis.statistics.fanova import RESAMPLE_TREES, TREES, fanova, fanova_input
from study.results.rules import FINISHED

TOP_TRIALS = 5
"""Minimum number of top trials, as PED-ANOVA's documentation recommends."""
MIN_TRIALS = 2 * TOP_TRIALS
MIN_GROUP = 3
SHUFFLES = 19
"""Number of shuffles: of 20 exchangeable values, these and the measured one, each is largest with probability .05."""
RESAMPLES = 8


def importance_table(trials: Trials, condition: str, checks: bool = True) -> pd.DataFrame:
    """Table of importances, the most important setting first: `setting`, `importance` (PED-ANOVA, sums to 1), `n`
    (trials). With `checks`, which take most of the time, also:

    `chance`: the largest importance of any setting when the objectives are shuffled over the trials, SHUFFLES times;
    the same for all settings. If no setting matters, one or more exceed it in one condition of 20, however many
    settings there are: what does not exceed it may be luck. `spread`: standard deviation of the importance over
    RESAMPLES bootstrap resamples of the trials. `fanova` (sums to 1; NaN if undefined, see
    analysis/statistics/fanova.py), `fanova_spread` (over the same resamples, but with RESAMPLE_TREES trees instead of
    TREES, which increases it), `fanova_n` (trials that it used).

    Raises NotApplicable: too few trials, or nothing was searched.
    """
    settings = searched_settings(trials.spec)
    if not settings:
        raise NotApplicable("The study file names no searched setting.")
    frame = _ranked(trials, condition)
    complete = frame["trial"].isin(trials.searched["trial"]).to_numpy()
    if complete.sum() < TOP_TRIALS or len(frame) < MIN_TRIALS:
        raise NotApplicable(
            f"Importance needs {MIN_TRIALS} finished searched trials in a condition, {TOP_TRIALS} of them complete; "
            f"{condition} has {len(frame)}, {complete.sum()} of them complete."
        )
    found = points(frame, settings)
    study, objectives = _study(found), frame["objective"].to_numpy(dtype=float)
    top = min(max(TOP_TRIALS, math.ceil(0.1 * len(frame))), int(complete.sum()))
    table = pd.DataFrame({"importance": _ped_anova(study, objectives, top), "n": len(frame)})
    if checks:
        rng = np.random.default_rng(0)
        shuffled = [_ped_anova(study, rng.permutation(objectives), top) for _ in range(SHUFFLES)]
        names, used = fanova_input(frame, settings)
        seen = np.where(used, objectives, np.nan)
        resampled, again = [], []
        for drawn in rng.integers(len(frame), size=(RESAMPLES, len(frame))):
            other = _study([found[i] for i in drawn])
            # A resample may hold fewer complete trials than belong to the top.
            best = max(min(top, int(complete[drawn].sum())), 1)
            resampled.append(_ped_anova(other, objectives[drawn], best))
            again.append(fanova(other, seen[drawn], names, RESAMPLE_TREES))
        table["chance"] = max(max(importances.values()) for importances in shuffled)
        table["spread"] = pd.DataFrame(resampled).std()
        table["fanova"] = pd.Series(fanova(study, seen, names, TREES), dtype=float)
        table["fanova_spread"] = pd.DataFrame(again, dtype=float).std()
        table["fanova_n"] = int(used.sum())
    return table.rename_axis("setting").sort_values("importance", ascending=False).reset_index()


def switch_table(trials: Trials) -> pd.DataFrame:
    """Compare on with off for every setting with a zero branch, one row per condition with three trials or more of
    each.

    Columns: `condition`, `setting`, `on`, `off` (trials), `superiority` (probability that a trial with the setting on
    is ahead of one with it off; .5: no difference), `p_value` (two-sided Mann-Whitney test, scipy), `holm` (corrected
    over all rows).
    """
    rows = []
    for setting in (s for s in searched_settings(trials.spec) if s.axis.zero):
        for condition in trials.conditions:
            frame = _ranked(trials, condition)
            frame = frame[setting.values(frame).notna()]
            is_off = setting.values(frame).eq(0)
            on, off = frame["objective"][~is_off], frame["objective"][is_off]
            if min(len(on), len(off)) >= MIN_GROUP:
                test = stats.mannwhitneyu(on, off)
                ahead = float(test.statistic) / (len(on) * len(off))
                rows.append((condition, setting.path, len(on), len(off), ahead, float(test.pvalue)))
    table = pd.DataFrame(rows, columns=["condition", "setting", "on", "off", "superiority", "p_value"])
    return table.assign(holm=holm(table["p_value"].to_numpy(dtype=float)))


def _ranked(trials: Trials, condition: str) -> pd.DataFrame:
    frame = trials.trials
    frame = frame[(frame["condition"] == condition) & (frame["baseline"] == "") & frame["objective"].notna()]
    frame = frame[frame["status"].isin(FINISHED)]
    for setting in searched_settings(trials.spec):
        frame = frame[setting.allows(frame) | setting.values(frame).isna()]
    complete = frame["trial"].isin(trials.searched["trial"])
    worst = frame.loc[complete, "objective"].min()
    return frame.assign(objective=frame["objective"].where(complete, worst - 1e-6))


def _study(points: Sequence[Point]) -> optuna.Study:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    optuna.logging.set_verbosity(verbosity)
    # The objectives are passed through `target`, so that shuffling them needs no second study.
    study.add_trials([create_trial(params=params, distributions=axes, value=0.0) for params, axes in points])
    return study


def _ped_anova(study: optuna.Study, objectives: npt.NDArray[np.float64], top: int) -> dict[str, float]:
    # Half a trial less, so that rounding up the quantile gives exactly `top`.
    evaluator = PedAnovaImportanceEvaluator(target_quantile=(top - 0.5) / len(objectives))
    with warnings.catch_warnings():
        # It warns that targets are minimised, hence the sign, and of small groups, which `chance` accounts for.
        warnings.simplefilter("ignore")
        return get_param_importances(study, evaluator=evaluator, target=lambda trial: -float(objectives[trial.number]))
