"""First paragraphs of the report: sentences computed from the tables."""

import math

import pandas as pd

from analysis.figures.style import fractions
from analysis.frames.load import Trials
from analysis.frames.settings import searched_settings
from analysis.statistics.comparison import closest_rivals
from analysis.statistics.confirmation import confirmation_table, lucky_regret, seed_spreads
from analysis.statistics.intervals import interval
from analysis.statistics.resolution import resolution_table
from analysis.tables.selection import chosen
from analysis.tables.study_tables import comparison_table, cost_table, own_samples, regret_table, saved_share

FEW_TRIALS = 20
"""Number of searched trials per condition below which the report warns: about what a sampler draws before it learns."""
COARSE = 0.02
"""Standard error, in accuracy on true labels, above which the report warns."""
END = 0.02
"""Share of a range, on its own scale, to either end, in which a chosen value makes the report warn."""

SIGNIFICANT = 0.05


def is_finished(trials: Trials) -> bool:
    """Whether all trials that the study file asks for, and all confirmations begun, have ended."""
    running = (trials.trials["status"] == "running").any() or (trials.confirmations["status"] == "running").any()
    return not running and len(trials.trials) >= (trials.expected or 1)


def study_sentence(trials: Trials) -> str:
    """Say in one line what was studied."""
    data = str(trials.spec.get("fixed", {}).get("data", {}).get("name", "digits"))
    searched = _count(len(trials.spec.get("space", {})), "setting")
    return f"{searched} searched over {_count(len(trials.conditions), 'noise condition')} of {data}."


def progress_sentence(trials: Trials) -> str:
    """Say in one sentence whether the study has ended."""
    status = trials.trials["status"]
    done, running = int((status != "running").sum()), int((status == "running").sum())
    of = f" of {trials.expected}" if trials.expected else ""
    if running:
        under_way = _count(running, "trial")
        return f"The study is not finished: {done}{of} trials have ended, {under_way} running or interrupted."
    if trials.expected and done < trials.expected:
        return f"The study is not finished: {done}{of} trials have ended, none is running."
    confirming = int((trials.confirmations["status"] == "running").sum())
    if confirming:
        under_way = _count(confirming, "training")
        return (
            f"The search is finished: {done}{of} trials have ended; {under_way} to confirm it running or interrupted."
        )
    return f"The study is finished: {done}{of} trials have ended."


def result_sentences(trials: Trials) -> list[str]:
    """Say who won and how certainly, one sentence per condition, then one over all of them."""
    table = comparison_table(trials)
    if table.empty:
        return ["No trial is complete yet, so there is nothing to compare."]
    errors = resolution_table(trials).set_index("condition")["standard_error"]
    confirmed = closest_rivals(trials)
    sentences = []
    for _, row in table.iterrows():
        again = confirmed[confirmed["condition"] == row["condition"]]
        parts = [_condition_sentence(row, errors), *(_confirmed_sentence(own) for _, own in again.iterrows())]
        sentences.append(" ".join(parts))
    differences = table["oracle_difference"].dropna()
    if len(confirmed):
        sentences.append(_confirmed_overall_sentence(confirmed))
    elif len(differences) > 1:
        sentences.append(_overall_sentence(differences))
    return sentences


def cost_sentence(trials: Trials) -> str:
    """State time and samples, against the forecast if there is one."""
    table = cost_table(trials)
    confirm = trials.confirmations
    samples, hours = int(table["samples"].sum()), table["seconds"].sum() / 3600
    again, more = _count(len(confirm), "training"), confirm["seconds"].sum() / 3600
    counts = ", ".join(
        f"{int(table[s].sum())} {s}" for s in ("complete", "pruned", "failed", "running") if table[s].sum()
    )
    saved = saved_share(trials.trials)
    forecast = trials.environment.get("forecast", {})
    expected = forecast.get("hours", 0) * forecast.get("concurrent", 1)
    return (
        f"{_count(len(trials.trials), 'trial')} ({counts or 'none'}) drew {samples:,} samples in {hours:.2g} h of "
        "training, summed over trials"
        + (", those of shared stages left out." if trials.trials["shared_samples"].any() else ".")
        + (
            f" To confirm them {again} drew {int(own_samples(confirm).sum()):,} in {more:.2g} h."
            if len(confirm)
            else ""
        )
        + (f" The forecast was at most {expected:.2g} h." if expected else "")
        + (f" Pruning saved {_percent(saved)} of the finished trials' own budget." if saved > 0 else "")
    )


def cautions(trials: Trials) -> list[str]:
    """List warnings about the results, as far as the data show any."""
    notes = [*trials.faults]
    resolution = resolution_table(trials)
    for _, row in resolution.iterrows():
        if row["reason"]:
            notes.append(f"{row['condition']}: {row['reason']}.")
        elif row["clean_standard_error"] > COARSE:
            notes.append(
                f"{row['condition']}: poor resolution. With {row['images']} validation images and slope "
                f"{row['slope']:.2f} the objective is known to ±{_points(row['clean_standard_error'])} of accuracy on "
                f"true labels (1 standard error). {row['ties']} of {row['searched']} searched trials cannot be told "
                "from the best."
            )
    searched = trials.searched.groupby("condition", observed=False).size()
    few = searched[searched < FEW_TRIALS]
    if len(few):
        counts = ", ".join(f"{condition}: {n}" for condition, n in few.items())
        notes.append(
            f"Few complete searched trials ({counts}; below {FEW_TRIALS}): a better setting may not have been tried."
        )
    notes += _range_cautions(trials) + _regret_cautions(trials)
    if len(resolution):
        notes.append(
            "Each setting was trained with one seed, and the chosen one is the best of several on the same "
            "validation images: its objective flatters it. Its test accuracy does not, but one seed says little; "
            + ("see what was confirmed." if len(trials.confirmations) else "confirm it with fresh seeds.")
        )
    return notes + _failure_sentences(trials)


def _failure_sentences(trials: Trials) -> list[str]:
    """Write one sentence per method with failed confirming trainings."""
    table = confirmation_table(trials)
    sentences = []
    for method, own in table[table["failed"] > 0].groupby("method", sort=False):
        counts = ", ".join(f"{row['condition']}: {row['failed']} of {row['begun']}" for _, row in own.iterrows())
        sentences.append(
            f"{method}: trainings that should confirm it failed ({counts}). Its confirmed accuracy is of the others "
            "alone, which flatters it."
        )
    return sentences


def _range_cautions(trials: Trials) -> list[str]:
    """Name the chosen values that lie at an end of their range."""
    best, notes = chosen(trials), []
    for setting in searched_settings(trials.spec):
        if setting.axis.choices:
            continue
        values = setting.values(best)
        within = fractions(values[values != 0] if setting.axis.zero else values, setting)
        for end, reached in (("low", within <= END), ("high", within >= 1 - END)):
            if reached.any():
                where = ", ".join(map(str, within.index[reached]))
                notes.append(
                    f"{setting.path}: chosen at the {end} end of its range, {getattr(setting.axis, end):g} ({where}). "
                    "Better values may lie beyond: widen the range where that makes sense."
                )
    return notes


def _regret_cautions(trials: Trials) -> list[str]:
    """Warn where the best trial in hindsight is far ahead of the chosen one, and further than chance explains."""
    spreads, notes = seed_spreads(trials), []
    regret = regret_table(trials)
    for _, row in regret[regret["regret"] > COARSE].iterrows():
        where, lost, n = row["condition"], _points(row["regret"]), row["searched"]
        if where not in spreads:
            notes.append(
                f"{where}: the best of {n} searched trials in hindsight is {lost} of test accuracy ahead of the chosen "
                "one, which cannot be told from luck without confirmations."
            )
            continue
        luck = lucky_regret(n, spreads[where])
        if row["regret"] > luck:
            notes.append(
                f"{where}: choosing by noisy labels lost at most {lost} of test accuracy; up to {_points(luck)} would "
                f"be the luck of the best of {n} equal settings (95%, from the confirmations' spread over seeds)."
            )
    return notes


def _condition_sentence(row: "pd.Series[float]", errors: "pd.Series[float]") -> str:
    where = f"{row['condition']} (realised noise {_percent(row['oracle_noise_rate'])})"
    if pd.isna(row["objective"]):
        return f"{where}: no searched trial is complete; the objective ranks {row['baseline']} first of the baselines."
    found = f"{where}: the search chose {row['trial']}, test accuracy {_percent(row['oracle_test_acc'])}"
    if pd.isna(row["baseline_objective"]):
        return f"{found}; no baseline is complete (n = {row['searched']} searched)."
    place, rival = _place(row["oracle_difference"]), _percent(row["baseline_oracle_test_acc"])
    return (
        f"{found}, {place} {row['baseline']} ({rival}), the baseline that the objective ranks first; one training "
        f"each. {_certainty(row, float(errors[row['condition']]))}"
    )


def _confirmed_sentence(row: "pd.Series[float]") -> str:
    found = (
        f"Trained again in {row['n']} fresh noise draws it lies {_place(row['oracle_difference'])} {row['rival']}, "
        "then the best baseline"
    )
    if math.isnan(row["p_value"]):
        return f"{found}, in all of them alike."
    bounds = f"[{100 * row['difference_low']:+.1f}, {100 * row['difference_high']:+.1f}]"
    verdict = "That is more than chance explains" if row["holm"] < SIGNIFICANT else "Chance may explain that"
    sure = f"p = {row['holm']:.2g} after Holm's correction over all comparisons"
    return f"{found} ({bounds}, 95% paired t). {verdict} ({sure})."


def _certainty(row: "pd.Series[float]", error: float) -> str:
    n, differ = f"(n = {row['searched']} searched)", _points(row["difference"], sign=True)
    if math.isnan(error):
        return f"On validation labels the difference is {differ}; how sure that is cannot be said {n}."
    # Both accuracies are on the same images, so this margin for independent ones is conservative.
    margin = 2 * math.sqrt(2) * error
    verdict = "beyond" if abs(row["difference"]) > margin else "within"
    return (
        f"On validation labels the difference is {differ}, {verdict} the ±{_points(margin)} that chance explains {n}."
    )


def _confirmed_overall_sentence(confirmed: pd.DataFrame) -> str:
    ahead = confirmed[confirmed["oracle_difference"] > 0]
    sure = int((ahead["holm"] < SIGNIFICANT).sum())
    return (
        f"Confirmed: the chosen setting is ahead of every baseline in {len(ahead)} of "
        f"{_count(len(confirmed), 'condition')}, in {sure} of these by more than chance explains."
    )


def _overall_sentence(differences: "pd.Series[float]") -> str:
    mean, wins = interval(list(differences)), int((differences > 0).sum())
    bounds = "" if math.isnan(mean.low) else f" [{100 * mean.low:+.1f}, {100 * mean.high:+.1f}]"
    return (
        f"Over all conditions the search beat that baseline on test accuracy in {wins} of {mean.n}. The mean "
        f"difference is {_points(mean.mean, sign=True)}{bounds} (95% interval, Student's t over n = {mean.n} "
        "conditions with one training each, not confirmed)."
    )


def _place(difference: float) -> str:
    """Describe the position of the first of two accuracies."""
    points = _points(abs(difference))
    if math.isnan(difference):
        return f"{points} from"
    return "level with" if points == _points(0) else f"{points} {'above' if difference > 0 else 'below'}"


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{100 * share:.1f}%"


def _points(share: float, sign: bool = False) -> str:
    if math.isnan(share):
        return "an unknown number of points"
    return f"{100 * share:+.1f} points" if sign else f"{100 * share:.1f} points"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
