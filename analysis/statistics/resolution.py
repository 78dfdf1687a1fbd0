"""Resolution of the objective: which trials it can distinguish."""

import json

import numpy as np
import pandas as pd

from analysis.frames.load import Trials, once
from analysis.tables.selection import by_consensus, chosen
from analysis.tables.study_tables import condition_table
from codim.noise.base import NoiseKind
from codim.noise.kinds import NOISE_KINDS
from codim.noise.transition import FLAT_SLOPE

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


@once
def resolution_table(trials: Trials) -> pd.DataFrame:
    """Table of the objective's resolution, one row per condition with a chosen setting.

    Columns: `condition`, `oracle_noise_rate` (realised e), `slope`, `images` (n of the validation part),
    `objective` (p, of the chosen setting; its consensus, where the study takes one), `standard_error` (of p on given
    labels, sqrt(p(1 - p)/n); with a consensus the median of the trials' own), `clean_standard_error` (that over the
    slope: in accuracy on true labels), `ties` (complete searched trials within 2 standard errors of the best, itself
    included), `searched`, `can_rank` (bool), `reason` (why a number is missing or the objective cannot rank; else
    empty). The five evaluated epochs that the objective averages share their images, so n is not multiplied by five.
    """
    conditions = condition_table(trials)
    images = trials.environment.get("validation_images")
    rows = []
    for condition, best in chosen(trials).iterrows():
        known = conditions.loc[[condition]].iloc[0]
        rate = float(known["oracle_noise_rate"])
        slope = objective_slope(str(known["noise_kind"]), rate, int(known["classes"]), str(best["oracle_transition"]))
        searched = by_consensus(trials.searched[trials.searched["condition"] == condition])
        p = float(searched.set_index("trial").loc[best["trial"], "objective"])
        error = float(np.sqrt(p * (1 - p) / images)) if images else float("nan")
        if searched["consensus_error"].notna().all():
            error = float(searched["consensus_error"].median())
        can_rank = slope > FLAT_SLOPE
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
    """Return the rows whose objective is within 2 standard errors of the best one, itself included: these validation
    images cannot distinguish them. Empty if the standard error is unknown (NaN)."""
    lowest = float(searched["objective"].max()) - 2 * standard_error
    return searched[searched["objective"] >= lowest]


def objective_slope(kind: str, rate: float, classes: int, transition: str) -> float:
    """Slope of the objective against accuracy on true labels at a realised rate; NaN if unknown.

    `transition`: the realised matrix as JSON.
    """
    return NOISE_KINDS.get(kind, NoiseKind).realised_slope(rate, np.array(json.loads(transition)), classes)


def _reason(slope: float, images: int | None) -> str:
    if np.isnan(slope):
        return "no realised noise rate or transition matrix was recorded"
    if slope <= FLAT_SLOPE:
        return f"cannot rank: at slope {slope:.2f} accuracy on given labels hardly moves with accuracy on true ones"
    return "" if images else "the number of validation images was not recorded"
