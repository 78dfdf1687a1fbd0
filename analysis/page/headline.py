"""First screen of the report: what to use, how sure that is, and what to do next, in a sentence each."""

import json
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.advice.recommend import configured
from analysis.frames.join import study_names
from analysis.frames.load import Trials
from analysis.frames.settings import params
from analysis.page.sentences import COARSE, FEW_TRIALS, is_finished
from analysis.statistics.comparison import confirmed_scores, in_shared_conditions
from analysis.statistics.intervals import mean_interval
from analysis.statistics.resolution import resolution_table
from analysis.tables.selection import chosen
from codim.config.train_config import merge

MOST_WORDS = 20
"""Most words of each sentence."""
SEEDS = 5
"""Confirmations that the page asks for."""


@dataclass(frozen=True)
class Headline:
    use: str
    sure: str
    next: str
    settings: str
    """Settings to use, as JSON for `codim --config`; empty if none can be named."""


def headline(trials: Trials) -> Headline:
    """Return the three sentences, and the settings that the first one names."""
    confirmed, following = _confirmed(trials), _next(trials)
    if confirmed:
        return Headline(*confirmed[:2], following, confirmed[2])
    best = chosen(trials)
    if best.empty:
        ended = int((trials.trials["status"] != "running").sum())
        return Headline(
            f"No setting yet: {ended} trials have ended.",
            f"Nothing can be said from {len(trials.complete)} complete trials.",
            following,
            "",
        )
    middle = best.iloc[[(len(best) - 1) // 2]]
    condition, trial = str(middle.index[0]), str(middle["trial"].iloc[0])
    accuracy, noise = float(middle["oracle_test_acc"].iloc[0]), float(middle["oracle_noise_rate"].iloc[0])
    at = condition if math.isnan(noise) else f"{100 * noise:.0f}% wrong labels"
    tested = "" if math.isnan(accuracy) else f": {100 * accuracy:.1f}% test accuracy in one training"
    known = resolution_table(trials).set_index("condition").loc[condition]
    return Headline(
        f"Use {trial}, chosen at {at}{tested}.",
        f"Not sure yet: {known['ties']} of {known['searched']} trials there cannot be told from the best.",
        following,
        _settings(trials, trial),
    )


def _confirmed(trials: Trials) -> tuple[str, str, str] | None:
    """Compare what was confirmed with the best baseline, over the conditions that both have; None without pairs."""
    scores = confirmed_scores(trials)
    searched = "robust" if "robust" in set(scores["method"]) else "chosen"
    shared = in_shared_conditions(scores[scores["method"].isin([searched, *trials.baselines])])
    means = shared.groupby(["method", "condition"], observed=True)["oracle_test_acc"].mean().groupby("method").mean()
    if searched not in means or len(means) < 2:
        return None
    rival = str(means.drop(searched).idxmax())
    wide = shared.assign(study=study_names(shared["trial"])).pivot(
        index=["condition", "study", "repeat"], columns="method", values="oracle_test_acc"
    )
    differences = (wide[searched] - wide[rival]).dropna()
    difference = mean_interval([own.tolist() for _, own in differences.groupby("condition", observed=True)])
    ahead = difference.mean > 0
    conditions = shared["condition"].nunique()
    over = f"mean of {conditions} conditions" if conditions > 1 else "in one condition"
    if ahead:
        trial = _source(trials, searched)
        name = f"the robust setting {trial}" if searched == "robust" else f"the chosen setting {trial}"
        settings = _settings(trials, trial)
    else:
        name = f"{rival}, the best baseline"
        settings = _json(merge(trials.spec.get("fixed", {}), trials.spec.get("baselines", {}).get(rival, {})))
    accuracy = 100 * float(means[searched if ahead else rival])
    points, low, high = 100 * difference.mean, 100 * difference.low, 100 * difference.high
    bounds = "" if math.isnan(low) else f" [{low:+.1f}, {high:+.1f}]"
    certain = "beyond chance" if not math.isnan(low) and low * high > 0 else "within chance"
    subject, other = ("It", rival) if ahead else (f"The {searched} setting", "it")
    where = "above" if ahead else "below"
    return (
        f"Use {name}: {accuracy:.1f}% test accuracy, {over}.",
        f"{subject} lies {abs(points):.1f} points {where} {other}{bounds}, {certain} "
        f"({difference.n} pairs, 95% interval).",
        settings,
    )


def _source(trials: Trials, searched: str) -> str:
    """Return the trial of the search whose setting was confirmed, in the most conditions."""
    frame = trials.confirmations[trials.confirmations["baseline"] == ""]
    if searched == "robust":
        return str(frame.groupby("setting")["condition"].nunique().idxmax())
    best = chosen(trials)
    return str(best["trial"].iloc[(len(best) - 1) // 2])


def _settings(trials: Trials, trial: str) -> str:
    row = trials.trials[trials.trials["trial"] == trial]
    return _json(configured(trials, params(trials.spec, row)[0])) if len(row) else ""


def _json(settings: dict[str, Any]) -> str:
    return json.dumps(settings, indent=2)


def _next(trials: Trials) -> str:
    if not is_finished(trials):
        ended, of = int((trials.trials["status"] != "running").sum()), trials.expected or len(trials.trials)
        return f"Let it finish: {ended} of {of} trials have ended; the same command resumes."
    if trials.confirmations.empty:
        return f"Confirm it: write `confirm: {{seeds: {SEEDS}}}` into the study file and run the command again."
    few = trials.searched.groupby("condition", observed=False).size()
    coarse = _coarsest(resolution_table(trials))
    if coarse is not None:
        error = 100 * float(coarse["clean_standard_error"])
        return (
            f"Validate on more images: {coarse['images']} leave a standard error of {error:.0f} points in "
            f"{coarse['condition']}."
        )
    if len(few) and few.min() < FEW_TRIALS:
        return f"Search on: {few.min()} complete trials in {few.idxmin()}, {FEW_TRIALS} are needed to learn."
    return f"Train with it: {few.sum()} complete trials were enough to tell settings apart."


def _coarsest(resolution: pd.DataFrame) -> "pd.Series[Any] | None":
    known = resolution[resolution["clean_standard_error"] > COARSE]
    return None if known.empty else known.nlargest(1, "clean_standard_error").iloc[0]
