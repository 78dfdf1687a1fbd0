"""Questions that order the report: each has a main picture, whose finding is the answer, and details."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.figures.render import Drawn
from analysis.frames.load import Trials
from analysis.page.page_tables import Table

FIRST_SCREEN = ("accuracy_by_noise", "optima")
"""Figures beside each other at the top of the page."""


@dataclass(frozen=True)
class Question:
    id: str
    title: str
    answer: str
    figures: tuple[Drawn, ...]
    """The first is the main picture, shown at once; the others are folded."""
    tables: tuple[Table, ...]


_FIGURES = {
    "use": ("best_values", "methods", "sensitivity"),
    "trust": ("selection_regret", "confirmed", "critical_difference", "variance"),
    "mattered": ("importance", "slices", "contours", "parallel_coordinates"),
    "enough": ("history", "edf", "learning_curves", "rung_correlation", "pareto", "budget"),
    "wrong": ("degenerate", "transitions", "memorisation", "split_quality", "mixture", "loss_histograms", "timeline"),
}
_TABLES = {
    "use": ("Chosen settings", "Chosen setting against the best baseline"),
    "trust": (
        "Confirmed",
        "Interquartile mean over conditions and seeds",
        "Probability of improvement",
        "Chosen setting against each baseline, paired",
        "What the objective can tell apart",
        "Selection regret",
    ),
    "mattered": ("Switches",),
    "enough": ("Cost",),
    "wrong": ("Failed trials", "All trials"),
}
_TITLES = {
    "use": "Which setting should I use?",
    "trust": "Can I trust it?",
    "mattered": "What mattered?",
    "enough": "Was the search long enough?",
    "wrong": "What went wrong?",
}


def questions(trials: Trials, drawn: Sequence[Drawn], tables: Sequence[Table], use: str) -> list[Question]:
    """Order figures and tables by question. `use`: the sentence that says what to use."""
    figures, by_title = {figure.name: figure for figure in drawn}, {table.title: table for table in tables}
    found = []
    for name, title in _TITLES.items():
        own = [figures[figure] for figure in _FIGURES[name] if figure in figures]
        # The first that could be drawn, so that an answer has a picture where there is any.
        own.sort(key=lambda figure: not (figure.image or figure.svg))
        answer = {"use": use, "wrong": _failures(trials)}.get(name, own[0].finding or own[0].caption if own else "")
        found.append(
            Question(name, title, answer, tuple(own), tuple(by_title[t] for t in _TABLES[name] if t in by_title))
        )
    return found


def _failures(trials: Trials) -> str:
    """Say in one sentence how many trainings failed, and why most of them did."""
    status = trials.trials["status"]
    begun = len(status) + len(trials.confirmations)
    causes = [*trials.trials.loc[status == "failed", "cause"]]
    causes += [*trials.confirmations.loc[trials.confirmations["status"] == "failed", "cause"]]
    if not causes:
        return f"None of {begun} trainings failed; {int((status == 'pruned').sum())} trials were pruned."
    cause = max(set(causes), key=causes.count)
    return f"{len(causes)} of {begun} trainings failed, {causes.count(cause)} of them by: {cause}"
