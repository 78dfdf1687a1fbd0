"""Which trials count: chosen, complete, ranked, confirmed."""

import json
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.frames.join import study_names
from analysis.frames.load import Trials, once
from analysis.frames.settings import Setting, searched_settings
from study.results.rules import FINISHED, compared, counted, unsearched, worth


@once
def chosen(trials: Trials) -> pd.DataFrame:
    """Per condition the complete searched trial that the study chose, by `rules.worth`; indexed by condition, those
    without one left out. Of several studies the choice with the highest objective."""
    return _best(pd.concat([trials.searched.iloc[:0], *_choices(trials)]), "objective")


def baseline_trials(trials: Trials) -> pd.DataFrame:
    """The complete baseline trials, one for each condition and baseline."""
    rows = trials.complete[trials.complete["baseline"] != ""]
    return rows.drop_duplicates(["condition", "baseline"])


@once
def chosen_by_study(trials: Trials) -> set[tuple[str, str]]:
    """Condition and trial of what each search has `chosen` by itself, where several studies are read as one."""
    return {(str(row.condition), str(row.trial)) for own in _choices(trials) for row in own.itertuples()}


def confirmed_trainings(trials: Trials) -> pd.DataFrame:
    """The confirmations that ran to their end and have a test accuracy."""
    frame = trials.confirmations
    return frame[(frame["status"] == "complete") & frame["oracle_test_acc"].notna()]


def roles(trials: Trials) -> "pd.Series[str]":
    """For each trial (index): "chosen", the name of its baseline, or "search"."""
    role = trials.trials.set_index("trial")["method"]
    return role.mask(role.index.isin(chosen(trials)["trial"]), "chosen")


def best_fifth(pool: pd.DataFrame) -> pd.DataFrame:
    """The best fifth of these trials by the objective, or the best three where a fifth is fewer: all of up to three."""
    return pool.nlargest(max(3, math.ceil(0.2 * len(pool))), "objective")


def ranking(trials: Trials) -> pd.DataFrame:
    """The searched trials that ran to their end or were pruned, with two columns more.

    `ruled_out` (bool): pruned, beyond a bound of the study, or without an objective. `rank`: the share of the others of
    its condition that a trial is ahead of by the objective, in [0, 1]; ties count half, .5 for a lone trial. What was
    ruled out ties behind all others: its last value says little of what it might have reached, but leaving it out would
    hide the settings that pruning judged bad.
    """
    frame = trials.trials
    frame = frame[(frame["baseline"] == "") & frame["status"].isin(FINISHED)]
    ruled_out = ~frame["trial"].isin(trials.searched["trial"])
    groups = frame["objective"].mask(ruled_out, -np.inf).groupby(frame["condition"], observed=True)
    others = groups.transform("size") - 1
    rank = ((groups.rank() - 1) / others).where(others > 0, 0.5)
    return frame.assign(ruled_out=ruled_out, rank=rank)


def finished_trials(trials: Trials, condition: str) -> pd.DataFrame:
    """Finished searched trials of a condition, to fit a surrogate to, with objectives as `rules.compared` and
    `rules.counted` count them."""
    frame = trials.trials
    frame = frame[(frame["condition"] == condition) & (frame["baseline"] == "") & frame["objective"].notna()]
    frame = by_consensus(frame[frame["status"].isin(FINISHED)])
    return frame.assign(objective=counted(zip(frame["status"], frame["objective"], strict=True)))


def baseline_points(trials: Trials, condition: str) -> pd.DataFrame:
    """A condition's complete baseline trials that are points of the space, as the study decides it for its search
    (study/search/optuna_search.py): in all but searched settings and seed they are what its searched trials are. Their
    objectives are as `rules.compared` counts them."""
    frame = trials.complete[(trials.complete["condition"] == condition) & (trials.complete["baseline"] != "")]
    settings = searched_settings(trials.spec)
    inside = pd.Series(True, index=frame.index)
    for setting in settings:
        inside &= setting.allows(frame) | setting.values(frame).isna()  # NaN: it is conditional, and does not hold
    everyone = trials.trials[trials.trials["condition"] == condition]
    searched = {_unsearched(config, settings) for config in everyone.loc[everyone["baseline"] == "", "config"]}
    inside &= frame["config"].map(lambda config: _unsearched(config, settings) in searched).astype(bool)
    return by_consensus(frame)[inside]


def by_consensus(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with objectives as `rules.compared` counts them."""
    pairs = zip(frame["objective"], frame["consensus"], strict=True)
    return frame.assign(objective=[compared(*pair) for pair in pairs])


def _unsearched(config: str, settings: Sequence[Setting]) -> str:
    """Return a trial's config (JSON) without its searched settings and its seed, comparable as text."""
    return json.dumps(unsearched(json.loads(config), [setting.path for setting in settings]), sort_keys=True)


@once
def _choices(trials: Trials) -> list[pd.DataFrame]:
    """The trial that each study chose in each condition, a table of one row each."""
    found, searched = [], trials.searched
    for _, own in searched.groupby([study_names(searched["trial"]), "condition"], observed=True, sort=False):
        ranked = own.assign(worth=worth(zip(own["objective"], own["value"], strict=True)))
        found.append(_best(ranked, "worth").reset_index()[own.columns])
    return found


def _best(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    rows = frame.dropna(subset=[by]).sort_values([by, "number"], ascending=[False, True], kind="stable")
    return rows.drop_duplicates("condition").set_index("condition").sort_index()
