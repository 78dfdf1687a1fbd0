"""From live trials to the tables of a results folder: rows are gathered, and written now and then and at each end."""

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from codim.metrics import EpochMetrics, OracleMetrics
from study.monitor.loggers import Loggers
from study.plan.plan import Plan
from study.plan.shared_stages import drawn_by_trial, shared_stages
from study.results.folder import ResultsFolder
from study.results.json_schema import Phase
from study.results.records import TrialRecord
from study.trial import Attempt, Outcome

WRITE_SECONDS = 2.0
"""Between two writes of the tables, at least."""
WRITE_SHARE = 0.05
"""Of the time, at most, for these writes: the table of 10,000 trials takes about a second."""
_COLUMNS = [f.name for cls in (EpochMetrics, OracleMetrics) for f in fields(cls)]


class Recorder:
    """The rows of all trials, running or finished. One writer a results folder."""

    def __init__(self, plan: Plan, folder: ResultsFolder, loggers: Loggers | None = None) -> None:
        """Go on from the tables in `folder`, where there are any."""
        self.plan, self.folder, self._loggers = plan, folder, loggers
        self.records = {record.trial: record for record in folder.read_trials()}
        self._shared = {stage.key for stage in shared_stages(plan)}
        self._rows: dict[str, list[dict[str, Any]]] = {}
        """Epochs of the running trials only."""
        self._changed: set[str] = set()
        self._behind = False
        """Whether a trial has ended since the table of trials was written."""
        self._written, self._wait = time.monotonic(), WRITE_SECONDS

    def finished(self) -> dict[str, Outcome]:
        return {
            name: Outcome(record.status, record.cause, record.objective, record.seconds, record.constraints)
            for name, record in self.records.items()
            if record.status != "running"
        }

    def ended(self, phase: Phase) -> int:
        """How many trials of a phase have."""
        return sum(record.phase == phase and record.status != "running" for record in self.records.values())

    def start(self, attempt: Attempt) -> None:
        """A trial was given out: for the first time, or to go on."""
        config, data = attempt.config, attempt.data
        known = self.records.get(attempt.trial)
        self.records[attempt.trial] = TrialRecord(
            trial=attempt.trial,
            condition=attempt.condition.id,
            noise_kind=attempt.condition.noise.kind,
            noise_rate=attempt.condition.rate,
            status="running",
            cause="",
            phase=attempt.phase,
            setting=attempt.setting,
            baseline=attempt.baseline,
            params=attempt.params,
            config=config.model_dump(mode="json"),
            seed=config.train.seed,
            budget=config.train.samples,
            shared_samples=config.train.samples - sum(drawn_by_trial(config, data, self._shared)),
            started=known.started if known else datetime.now(UTC),
            oracle_noise_rate=data.noise_rate,
            oracle_transition=data.transition,
        )
        self._rows[attempt.trial] = []
        self._changed.add(attempt.trial)

    def epoch(self, attempt: Attempt, row: Mapping[str, Any]) -> None:
        """One more epoch; those of the same number and later, of an attempt that was cut short, are replaced."""
        rows = self._rows[attempt.trial]
        while rows and rows[-1]["epoch"] >= row["epoch"]:
            rows.pop()
        rows.append({name: row.get(name) for name in _COLUMNS})
        self._changed.add(attempt.trial)
        if self._loggers:
            self._loggers.epoch(self.records[attempt.trial], rows[-1])

    def under_way(self) -> list[tuple[TrialRecord, list[dict[str, Any]]]]:
        """The trials that run and have reported an epoch, with their epochs."""
        return [(self.records[trial], rows) for trial, rows in self._rows.items() if rows]

    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """A trial ended. When this returns, `read_trials` says so; the table of trials follows with the next flush,
        since a table that is written for each of its rows takes longer and longer."""
        record = self.records[attempt.trial]
        self._sum_up(attempt.trial)
        record.status, record.cause, record.objective = outcome.status, outcome.cause, outcome.objective
        record.constraints = dict(outcome.constraints)
        now = datetime.now(UTC)
        record.ended = max(now, record.started or now)  # a clock may be set back
        test = [row["oracle_test_acc"] for row in self._evaluated(attempt.trial)]
        record.oracle_test_acc = _mean(test[-attempt.last :])
        record.oracle_test_acc_best = max(test, default=math.nan)
        self._write_epochs([attempt.trial], record)
        self._changed.discard(attempt.trial)
        self._behind = True
        del self._rows[attempt.trial]
        if self._loggers:
            self._loggers.end(record)

    def flush(self, now: bool = False) -> None:
        """Write what changed, if the last time is long enough ago or `now`."""
        started = time.monotonic()
        if not (self._changed or self._behind) or (started - self._written < self._wait and not now):
            return
        for trial in self._changed:
            self._sum_up(trial)
        self._write_epochs(self._changed)
        self.folder.write_trials(list(self.records.values()))
        self._changed.clear()
        self._behind = False
        self._written = time.monotonic()
        self._wait = max(WRITE_SECONDS, (self._written - started) / WRITE_SHARE)

    def _sum_up(self, trial: str) -> None:
        record, rows = self.records[trial], self._rows[trial]
        record.epochs = len(rows)
        record.samples = int(rows[-1]["samples"] or 0) if rows else 0
        record.seconds = math.fsum(row["seconds"] or 0 for row in rows)
        record.split_states = dict(Counter(row["split_state"] for row in rows if row["split_state"]))

    def _evaluated(self, trial: str) -> list[dict[str, Any]]:
        return [r for r in self._rows[trial] if r["phase"] != "pretrain" and r["oracle_test_acc"] is not None]

    def _write_epochs(self, trials: Iterable[str], ended: TrialRecord | None = None) -> None:
        for trial in trials:
            condition = self.records[trial].condition
            rows = [{"trial": trial, "condition": condition, **row} for row in self._rows[trial]]
            self.folder.write_epochs(trial, rows, ended)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
