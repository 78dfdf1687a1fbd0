"""How sure: intervals, and what a difference on noisy validation labels is worth."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.load import Trials
from analysis.tables import chosen, chosen_by_study, condition_table, confirmed_trainings
from study.regret import FLAT_SLOPE, confusable_slope

MIN_VALUES = 3
DRAWS = 20_000
_CONFIRMED_COLUMNS = ["condition", "method", "setting", "oracle_test_acc", "low", "high", "n", "failed", "begun"]
_RESOLUTION_COLUMNS = [
    "condition",
    "oracle_noise_rate",
    "slope",
    "images",
    "objective",
    "standard_error",
    "clean_standard_error",
    "ties",
    "searched",
    "can_rank",
    "reason",
]


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval; `low` and `high` are NaN with fewer than three values."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean with its interval by Student's t; NaN values are left out. A bootstrap of the four values that four
    conditions give holds the truth in four cases of five."""
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    mean = float(x.mean()) if x.size else float("nan")
    if x.size < MIN_VALUES:
        return Interval(mean, float("nan"), float("nan"), int(x.size))
    margin = float(stats.t.ppf((1 + confidence) / 2, x.size - 1) * stats.sem(x))
    return Interval(mean, mean - margin, mean + margin, int(x.size))


def varies(values: npt.NDArray[np.float64]) -> bool:
    """Whether any column of (n, ...) varies by more than rounding does; accuracies are counts over images."""
    return bool((np.ptp(values, axis=0) > 1e-9).any())


def confirmation_table(trials: Trials) -> pd.DataFrame:
    """Test accuracy of the confirmed settings over their complete trainings, and how many failed; one row a setting and
    condition, those that have neither yet left out.

    Columns: `condition`, `method` (a baseline; "robust" for a setting begun in several conditions, "chosen, robust"
    where that is the first by the objective; else "chosen"), `setting` (its trial in the search), `oracle_test_acc`
    (mean of the n; NaN where all failed), `low`, `high` (95% interval, Student's t, within [0, 1]: a bootstrap of a
    handful of values is too narrow; NaN for fewer than three values, and for equal ones, which say nothing of the
    spread), `n`, `failed`, `begun` (trainings; those under way included).
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
    """Standard deviation of the test accuracy of trainings that differ in their seeds only, and its degrees of
    freedom."""

    deviation: float
    freedom: int


def seed_spreads(trials: Trials) -> dict[str, Spread]:
    """By condition, from its complete confirmations: pooled within the settings, those with one training left out.

    Repeats of a setting differ in their noise draw too, so it is rather too wide for trials of one draw.
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
    """How far the best of `n` > 1 trials in hindsight is ahead of one of them by chance where all settings are equal:
    the 95th percentile, for normal accuracies whose spread is known from few trainings only. Simulated, seeded."""
    rng = np.random.default_rng(0)
    others = stats.norm.ppf(rng.random(DRAWS) ** (1 / (n - 1)))  # the best of n - 1, by the inverse of its distribution
    ahead = np.maximum(others - rng.standard_normal(DRAWS), 0)
    known = np.sqrt(rng.chisquare(spread.freedom, DRAWS) / spread.freedom)
    return spread.deviation * float(np.quantile(ahead / known, 0.95))


def symmetric_slope(rate: float, classes: int) -> float:
    """How much expected accuracy on labels with symmetric noise moves with accuracy on true labels: 1 - e K / (K - 1).

    `rate`: share e of labels that are wrong (realised). A right prediction agrees with a given label with probability
    1 - e, a wrong one with e / (K - 1).
    """
    return 1 - rate * classes / (classes - 1)


def resolution_table(trials: Trials) -> pd.DataFrame:
    """What the objective can tell apart. One row a condition with a chosen setting.

    Columns: `condition`, `oracle_noise_rate` (realised e), `slope`, `images` (n of the validation part), `objective`
    (best, p), `standard_error` (of p on given labels, sqrt(p(1 - p)/n)), `clean_standard_error` (that over the slope:
    in accuracy on true labels), `ties` (complete searched trials within 2 standard errors of the best, itself
    included), `searched`, `can_rank` (bool), `reason` (why a number is missing or the objective cannot rank; else
    empty). The five evaluated epochs that the objective averages share their images, so n is not multiplied by five.
    """
    conditions = condition_table(trials)
    images = trials.environment.get("validation_images")
    rows = []
    for condition, best in chosen(trials).iterrows():
        known = conditions.loc[[condition]].iloc[0]
        p, rate = float(best["objective"]), float(known["oracle_noise_rate"])
        slope = objective_slope(str(known["noise_kind"]), rate, int(known["classes"]), str(best["oracle_transition"]))
        error = float(np.sqrt(p * (1 - p) / images)) if images else float("nan")
        can_rank = slope > FLAT_SLOPE
        searched = trials.searched[trials.searched["condition"] == condition]
        rows.append(
            {
                "condition": condition,
                "oracle_noise_rate": rate,
                "slope": slope,
                "images": images or 0,
                "objective": p,
                "standard_error": error,
                "clean_standard_error": error / slope if can_rank else float("nan"),
                "ties": len(tied_trials(searched, error)),
                "searched": len(searched),
                "can_rank": can_rank,
                "reason": _reason(slope, images),
            }
        )
    return pd.DataFrame(rows, columns=_RESOLUTION_COLUMNS)


def tied_trials(searched: pd.DataFrame, standard_error: float) -> pd.DataFrame:
    """The rows whose objective lies within 2 standard errors of the best one, itself included: on these validation
    images nothing tells them apart. None where the standard error is unknown (NaN)."""
    lowest = float(searched["objective"].max()) - 2 * standard_error
    return searched[searched["objective"] >= lowest]


def objective_slope(kind: str, rate: float, classes: int, transition: str) -> float:
    """How much the objective moves with accuracy on true labels, at a realised rate; NaN where that is not known.

    `transition`: the realised matrix as JSON, for noise that is not symmetric (`confusable_slope`).
    """
    if kind == "symmetric":
        return symmetric_slope(rate, classes) if classes > 1 else float("nan")
    matrix = json.loads(transition)
    return confusable_slope(matrix) if len(matrix) > 1 else float("nan")


def _reason(slope: float, images: int | None) -> str:
    if np.isnan(slope):
        return "no realised noise rate or transition matrix was recorded"
    if slope <= FLAT_SLOPE:
        return f"cannot rank: at slope {slope:.2f} accuracy on given labels hardly moves with accuracy on true ones"
    return "" if images else "the number of validation images was not recorded"
