"""Results of the confirming trainings, and their spread over seeds."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.frames.load import Trials
from analysis.statistics.intervals import interval, varies
from analysis.tables.selection import chosen_by_study, confirmed_trainings

DRAWS = 20_000
_CONFIRMED_COLUMNS = ["condition", "method", "setting", "oracle_test_acc", "low", "high", "n", "failed", "begun"]


def confirmation_table(trials: Trials) -> pd.DataFrame:
    """Test accuracy of the confirmed settings over their complete trainings, and the number of failures; one row per
    setting and condition with either.

    Columns: `condition`, `method` (a baseline; "robust" for a setting begun in several conditions, "chosen, robust" if
    the search ranked it first; else "chosen"), `setting` (its trial in the search), `oracle_test_acc` (mean of the n;
    NaN if all failed), `low`, `high` (95% interval, Student's t, within [0, 1]: a bootstrap of a handful of values is
    too narrow; NaN for fewer than three values, and for equal ones, which say nothing about the spread), `n`, `failed`,
    `begun` (trainings, including running ones).
    """
    frame = trials.confirmations
    places = frame[["condition", "setting"]].drop_duplicates()["setting"]
    everywhere, first = set(places[places.duplicated()]), chosen_by_study(trials)
    trained = confirmed_trainings(trials).groupby(["condition", "setting"], observed=True)["oracle_test_acc"]
    values = {key: own.to_numpy(dtype=float) for key, own in trained}
    rows = []
    for (condition, setting), own in frame.groupby(["condition", "setting"], observed=True, sort=True):
        x, failed = values.get((condition, setting), np.empty(0)), int((own["status"] == "failed").sum())
        if not x.size and not failed:
            continue
        roles = (("chosen", (condition, setting) in first), ("robust", setting in everywhere))
        method = own["baseline"].iloc[0] or ", ".join(role for role, has in roles if has) or "chosen"
        known = interval(list(x))
        low, high = np.clip([known.low, known.high], 0, 1) if known.n and varies(x) else (math.nan, math.nan)
        rows.append((condition, method, setting, known.mean, float(low), float(high), known.n, failed, len(own)))
    return pd.DataFrame(rows, columns=_CONFIRMED_COLUMNS)


@dataclass(frozen=True)
class Spread:
    """Standard deviation of test accuracy among trainings that differ only in their seeds, with its degrees of
    freedom."""

    deviation: float
    freedom: int


def seed_spreads(trials: Trials) -> dict[str, Spread]:
    """Spread by condition, from its complete confirmations: pooled within the settings that have at least two.

    Repeats of a setting also differ in their noise draw, so it tends to be too wide for trials of one draw.
    """
    found = {}
    for condition, own in confirmed_trainings(trials).groupby("condition", observed=True):
        groups = own.groupby("setting")["oracle_test_acc"]
        freedom = len(own) - groups.ngroups
        if freedom:
            squares = float(((own["oracle_test_acc"] - groups.transform("mean")) ** 2).sum())
            found[str(condition)] = Spread(math.sqrt(squares / freedom), freedom)
    return found


def lucky_regret(n: int, spread: Spread) -> float:
    """Lead by chance of the best of `n` > 1 equal trials in hindsight over one of them: the 95th percentile, for normal
    accuracies whose spread is estimated from few trainings. Simulated, seeded."""
    rng = np.random.default_rng(0)
    others = stats.norm.ppf(rng.random(DRAWS) ** (1 / (n - 1)))  # the best of n - 1, by the inverse of its distribution
    ahead = np.maximum(others - rng.standard_normal(DRAWS), 0)
    known = np.sqrt(rng.chisquare(spread.freedom, DRAWS) / spread.freedom)
    return spread.deviation * float(np.quantile(ahead / known, 0.95))
