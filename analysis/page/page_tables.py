"""Tables of the page, from data frames: headings with units, numbers as text, and sort keys."""

import math
from dataclasses import dataclass, replace

import pandas as pd

from analysis.frames.load import Trials
from analysis.page.sentences import COARSE
from analysis.statistics import comparison, confirmation, importance, resolution
from analysis.tables import study_tables as tables


@dataclass(frozen=True)
class Cell:
    text: str
    order: str
    """Sort key for a click on the heading: the number in full, or the text."""


@dataclass(frozen=True)
class Table:
    title: str
    note: str
    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    """Whether the table is collapsed at first."""


_PERCENT = {
    "noise_rate": "nominal (%)",
    "oracle_noise_rate": "realised (%)",
    "objective": "objective (%)",
    "oracle_test_acc": "test (%)",
    "baseline_objective": "its objective (%)",
    "baseline_oracle_test_acc": "its test (%)",
    "difference": "objective gain (points)",
    "oracle_difference": "test gain (points)",
    "best_oracle_test_acc": "best test (%)",
    "regret": "regret (points)",
    "superiority": "on ahead (%)",
    "saved": "saved by pruning (%)",
    "standard_error": "standard error (points)",
    "clean_standard_error": "in clean accuracy (points)",
    "low": "from (%)",
    "high": "to (%)",
    "iqm": "IQM (%)",
    "iqm_low": "from (%)",
    "iqm_high": "to (%)",
    "improvement": "chosen ahead (%)",
    "improvement_low": "from (%)",
    "improvement_high": "to (%)",
    "difference_low": "from (points)",
    "difference_high": "to (points)",
}
_PLAIN = {
    "trial": "trial",
    "baseline": "best baseline",
    "best_trial": "best trial by test",
    "images": "validation images",
    "searched": "searched (n)",
    "ties": "ties (n)",
    "ranks": "ranks settings",
    "reason": "remark",
    "on": "on (n)",
    "off": "off (n)",
    "p_value": "p",
    "rival": "against",
    "hedges_g": "Hedges' g",
    "holm": "p (Holm)",
    "first": "first such trial",
}


MOST_ROWS = 1000


def report_tables(trials: Trials) -> list[Table]:
    """Return all tables of the page, without empty ones."""
    cost = tables.cost_table(trials)
    cost["seconds"] = cost["seconds"] / 3600
    cost["samples"] = cost["samples"] / 1000
    cost = cost.rename(columns={"seconds": "training (h)", "samples": "samples (thousands)"})
    found = [
        _table(
            "Chosen setting against the best baseline",
            "Once a search has ended the setting is chosen by the model of all trials. Before, and in tables without "
            "its values, it is chosen as the baseline is: by the objective, accuracy on given validation labels. Test "
            "accuracy is read only afterwards; one training each.",
            tables.comparison_table(trials),
        ),
        _table(
            "Confirmed",
            "Chosen settings and baselines trained again on training and validation images, each time with a fresh "
            "seed and, where the study makes the noise, fresh noise. Test accuracy with its 95% interval: Student's t "
            "over the n complete trainings, none for fewer than three, or where they are equal. Robust: the setting "
            "with the least largest regret over the conditions. Failed: of the trainings begun; the mean of the "
            "others flatters a setting that fails.",
            confirmation.confirmation_table(trials),
        ),
        _table(
            "Interquartile mean over conditions and seeds",
            "Test accuracy of the confirmed methods: the mean of the middle half of the n trainings of each, over the "
            "conditions in which all of them were confirmed. The easiest and the hardest quarter count for nothing. "
            "95% interval: bootstrap of the seeds within each condition, with Student's t; it holds for these "
            "conditions, not for others. Chosen: in each condition the setting that the search ranked first; where "
            "the robust one is the same, its trainings count for both. Failed trainings are left out (see Confirmed).",
            comparison.aggregate_table(trials),
        ),
        _table(
            "Probability of improvement",
            "Chance that a training with the chosen setting has a higher test accuracy than one with the baseline "
            "(ties one half), mean over the conditions in which both were confirmed. 50% means no difference. It says "
            "how often, not by how much. 95% interval: the same bootstrap, of the n trainings of both; none for one "
            "condition alone or where all trainings agree.",
            comparison.improvement_table(trials),
        ),
        _table(
            "Chosen setting against each baseline, paired",
            "Mean difference in test accuracy over n pairs of confirming trainings, each pair on the same noise draw, "
            "with its 95% interval (Student's t). Hedges' g: the difference in standard deviations of single "
            "trainings. p: two-sided paired t-test; p (Holm): corrected over all rows of this table, the one to read.",
            comparison.paired_table(trials),
        ),
        _table("Chosen settings", "What to set. One training each.", tables.settings_table(trials)),
        _table(
            "What the objective can tell apart",
            "By the consensus of the trials, where the study takes one. "
            "Slope: points of objective per point of accuracy on true labels, from the realised noise. For noise that "
            "is not symmetric it is our cautious reading, which holds if all mistakes lie in the noisy classes and "
            "follow the noise. Standard error: of the objective, and in accuracy on true labels. Ties: searched trials "
            f"within 2 standard errors of the best, itself included. Poorly: a standard error above {100 * COARSE:.0f} "
            "points in clean accuracy.",
            _told_apart(resolution.resolution_table(trials)),
        ),
        _table(
            "Switches",
            "On against off (0), for settings that have both. Ahead: chance that a trial with it on ranks above one "
            "with it off; 50% means no difference. Two-sided Mann-Whitney test: p; corrected over all rows of this "
            "table, the one to read: p (Holm). Above .05 on and off are not shown to differ. Pruned trials rank last.",
            importance.switch_table(trials),
        ),
        _table(
            "Selection regret",
            "What choosing by noisy labels lost at most against choosing by the test set, among the complete searched "
            "trials. The best by test is the luckiest of them on the test set.",
            tables.regret_table(trials),
        ),
        _table(
            "Cost",
            "Samples of shared stages (computed once for several trials) are left out. Saved: 1 - drawn/budget over "
            "complete and pruned trials, both without shared stages.",
            cost,
        ),
        _table("Failed trials", "By cause; confirm: those that confirm the search.", tables.failure_table(trials)),
        replace(
            _table(
                "All trials",
                f"Best first; the table ends after {MOST_ROWS:,} rows, trials.parquet holds all and more columns.",
                tables.trial_table(trials).head(MOST_ROWS),
            ),
            folded=True,
        ),
    ]
    return [table for table in found if table.rows]


def _told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Replace `can_rank` by how well: beside "poor resolution" a plain yes would contradict the warning."""
    words = [
        "no" if not can_rank else "poorly" if error > COARSE else "yes"
        for can_rank, error in zip(table["can_rank"], table["clean_standard_error"], strict=True)
    ]
    return table.assign(can_rank=words).rename(columns={"can_rank": "ranks"})


def _table(title: str, note: str, frame: pd.DataFrame) -> Table:
    numeric = tuple(
        pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) for kind in frame.dtypes
    )
    rows = tuple(
        tuple(_cell(value, str(column)) for column, value in zip(frame.columns, row, strict=True))
        for row in frame.itertuples(index=False, name=None)
    )
    headings = tuple(_PERCENT.get(str(c)) or _PLAIN.get(str(c), str(c)) for c in frame.columns)
    return Table(title, note, headings, numeric, rows)


def _cell(value: object, column: str) -> Cell:
    if isinstance(value, bool):
        return Cell("yes" if value else "no", str(int(value)))
    if isinstance(value, float):
        if math.isnan(value):
            return Cell("–", "")
        return Cell(f"{100 * value:.1f}" if column in _PERCENT else _number(value), repr(float(value)))
    return Cell("–", "") if value is None else Cell(str(value), str(value))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
