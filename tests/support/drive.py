"""A search with simulated trials, one after the other: no Ray."""

from pathlib import Path

from study.plan.plan import Plan
from study.search.optuna_search import Search
from study.trial import Attempt, Outcome
from study.worker.job import Job, Train
from tests.support import simulated


def drive(plan: Plan, journal: Path, train: Train = simulated.curve) -> list[tuple[Attempt, Outcome]]:
    """All trials of a study, and how each ended."""
    search, ended = Search(plan, journal, {}), []
    for attempt in iter(search.ask, None):
        for row in train(Job(attempt.trial, attempt.config.model_dump(mode="json"), "", "", 1, 0)):
            if not search.report(attempt, row):
                break
        outcome = attempt.outcome()
        search.tell(attempt, outcome)
        ended.append((attempt, outcome))
    return ended
