"""Tables of the report. Settings are chosen from objectives alone; test accuracy is only reported.

Accuracies, rates and shares are in [0, 1]; columns `oracle_*` hold what only an observer with true labels and test
images knows. All tables keep the order of the conditions along the noise axis.
"""

import json

import pandas as pd

from analysis.frames.load import Trials
from analysis.frames.settings import params, searched_settings
from analysis.tables.selection import _best, baseline_trials, chosen
from study.results.rules import FINISHED


def condition_table(trials: Trials) -> pd.DataFrame:
    """Table of all conditions, indexed by condition: `noise_kind`, `noise_rate` (nominal), `oracle_noise_rate`
    (realised, mean over trials), `classes` (0 if unknown), `trials`."""
    groups = trials.trials.groupby("condition", observed=False)
    table = groups[["noise_kind", "noise_rate"]].first()
    table["oracle_noise_rate"] = groups["oracle_noise_rate"].mean()
    table["classes"] = [_classes(trials, text) for text in groups["oracle_transition"].first()]
    table["trials"] = groups.size()
    for entry in trials.spec.get("conditions", []):
        table.loc[entry["id"], "noise_kind"] = entry.get("kind", "")
        table.loc[entry["id"], "noise_rate"] = entry.get("rate", float("nan"))
    return table


def comparison_table(trials: Trials) -> pd.DataFrame:
    """Compare the chosen setting (see `analysis.tables.selection.chosen`) with the baseline of highest objective. One
    row per condition with at least one of the two.

    Columns: `condition`, `noise_rate`, `oracle_noise_rate`, `searched` (complete searched trials), `trial`,
    `objective`, `oracle_test_acc`, `baseline`, `baseline_objective`, `baseline_oracle_test_acc`, `difference`,
    `oracle_difference` (chosen minus baseline).
    """
    best = chosen(trials)[["trial", "objective", "oracle_test_acc"]]
    rival = _best(baseline_trials(trials), "objective")[["baseline", "objective", "oracle_test_acc"]]
    rival = rival.rename(columns={"objective": "baseline_objective", "oracle_test_acc": "baseline_oracle_test_acc"})
    table = condition_table(trials)[["noise_rate", "oracle_noise_rate"]].join(best).join(rival)
    table.insert(2, "searched", trials.searched.groupby("condition", observed=False).size())
    table = table[table["objective"].notna() | table["baseline_objective"].notna()]
    table["difference"] = table["objective"] - table["baseline_objective"]
    table["oracle_difference"] = table["oracle_test_acc"] - table["baseline_oracle_test_acc"]
    return table.reset_index()


def method_table(trials: Trials) -> pd.DataFrame:
    """Table of test accuracies by method, in long form: `condition`, `method` (a baseline, "chosen", or "hindsight":
    the searched trial of best test accuracy), `trial`, `objective`, `oracle_test_acc`, `oracle_test_acc_best`."""
    parts = [
        baseline_trials(trials).assign(method=lambda frame: frame["baseline"]),
        chosen(trials).reset_index().assign(method="chosen"),
        _best(trials.searched, "oracle_test_acc").reset_index().assign(method="hindsight"),
    ]
    columns = ["condition", "method", "trial", "objective", "oracle_test_acc", "oracle_test_acc_best"]
    table = pd.concat([part[columns] for part in parts], ignore_index=True)
    return table.sort_values("condition", kind="stable", ignore_index=True)


def regret_table(trials: Trials) -> pd.DataFrame:
    """Table of the loss from choosing by noisy labels instead of the test set, among the complete searched trials.

    Columns: `condition`, `searched`, `trial`, `oracle_test_acc`, `best_trial`, `best_oracle_test_acc`, `regret` (>= 0).
    """
    mine = chosen(trials)[["trial", "oracle_test_acc"]]
    best = _best(trials.searched, "oracle_test_acc")[["trial", "oracle_test_acc"]].add_prefix("best_")
    table = mine.join(best, how="inner")
    table.insert(0, "searched", trials.searched.groupby("condition", observed=True).size())
    table["regret"] = table["best_oracle_test_acc"] - table["oracle_test_acc"]
    return table.reset_index()


def cost_table(trials: Trials) -> pd.DataFrame:
    """Table of costs, one row per condition: `condition`, the number of trials as `complete`, `pruned`, `failed`,
    `running`; `samples` drawn, without shared stages, `seconds` of training, and `saved`: the share of the finished
    trials' own budget (without shared stages) that pruning did not draw."""
    frame = trials.trials
    counts = pd.crosstab(frame["condition"], frame["status"], dropna=False)
    table = counts.reindex(
        index=list(trials.conditions), columns=["complete", "pruned", "failed", "running"], fill_value=0
    )
    own = frame.assign(samples=own_samples(frame)).groupby("condition", observed=False)
    table[["samples", "seconds"]] = own[["samples", "seconds"]].sum()
    table["saved"] = [saved_share(frame[frame["condition"] == condition]) for condition in table.index]
    return table.rename_axis(index="condition", columns=None).reset_index()


def own_samples(frame: pd.DataFrame) -> "pd.Series[int]":
    """Return the number of samples that each trial drew itself, without shared stages."""
    return (frame["samples"] - frame["shared_samples"]).clip(lower=0)


def undrawn(frame: pd.DataFrame) -> "pd.Series[int]":
    """Return the samples of its budget that pruning kept each trial from drawing; 0 for trials that were not pruned.
    Failed trials drew less too, but pruning did not save that."""
    return (_own_budget(frame) - own_samples(frame)).where(frame["status"] == "pruned", 0)


def saved_share(frame: pd.DataFrame) -> float:
    """Share of the budget of pruned and complete trials that pruning saved: 1 - drawn/budget, both without shared
    stages, whose samples pruning cannot save. NaN without a finished trial."""
    finished = frame[frame["status"].isin(FINISHED)]
    return float(undrawn(finished).sum() / _own_budget(finished).sum()) if len(finished) else float("nan")


def _own_budget(frame: pd.DataFrame) -> "pd.Series[int]":
    return frame["budget"] - frame["shared_samples"]


def settings_table(trials: Trials) -> pd.DataFrame:
    """Table of the chosen settings: `condition`, `trial`, then one column per searched setting, named by its path."""
    rows = chosen(trials).reset_index()
    table = rows[["condition", "trial"]].copy()
    for setting in searched_settings(trials.spec):
        table[setting.path] = setting.values(rows)
    return table


def trial_table(trials: Trials) -> pd.DataFrame:
    """Table of all trials of the search, by descending objective: `trial`, `condition`, `method`, `status`,
    `objective`, `oracle_test_acc`, `samples`, `minutes` (wall time in training), then one column per searched
    setting."""
    frame = trials.trials.sort_values(["objective", "trial"], ascending=[False, True], kind="stable", ignore_index=True)
    table = frame[["trial", "condition", "method", "status", "objective", "oracle_test_acc", "samples"]].copy()
    table["minutes"] = frame["seconds"] / 60
    for setting in searched_settings(trials.spec):
        table[setting.path] = setting.values(frame)
    return table


def trial_titles(trials: Trials) -> dict[str, str]:
    """Return what tells a trial or a confirmation from others, by its name: seed, samples and searched settings."""
    found = {}
    for frame in (trials.trials, trials.confirmations):
        for row, values in zip(frame.to_dict("records"), params(trials.spec, frame), strict=True):
            settings = ", ".join(f"{path} {_short(value)}" for path, value in values.items())
            what = f"{row['baseline']}, " if row["baseline"] else ""
            trial = str(row["trial"])
            found[trial] = f"{trial}: {what}seed {row['seed']}, {row['samples']:,} samples; {settings}"
    return found


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def failure_table(trials: Trials) -> pd.DataFrame:
    """Table of failed trials, of the search and of its confirmation, by cause, the most frequent first: `condition`,
    `phase` ("search" or "confirm"), `cause`, `trials` (count), `first` (a trial to look at)."""
    columns = ["condition", "phase", "cause", "trial", "status"]
    frame = pd.concat([trials.trials[columns], trials.confirmations[columns]], ignore_index=True)
    groups = frame[frame["status"] == "failed"].groupby(["condition", "phase", "cause"], observed=True)["trial"]
    table = groups.agg(trials="size", first="first").reset_index()
    return table.sort_values("trials", ascending=False, kind="stable", ignore_index=True)


def _classes(trials: Trials, transition: object) -> int:
    matrix = json.loads(transition) if isinstance(transition, str) else []
    return int(trials.environment.get("classes", len(matrix)))
