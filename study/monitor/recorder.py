"""Recorder: collects the epochs of running trials and writes them to the tables of a results folder.

Order of calls: `finished` tells the search which trials have ended; then per trial `start`, when it is handed out,
first or again; `epoch` for each epoch, including those replayed from a checkpoint; and `finish`, before Optuna is told
the outcome. `flush` is called on every tick of the run, and with `now` at its end.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from codim.metrics import EpochMetrics, OracleMetrics
from study.monitor.crowd import Crowd
from study.monitor.loggers import Loggers
from study.plan.plan import Plan
from study.plan.shared_stages import drawn_by_trial, shared_stages
from study.results.folder import ResultsFolder
from study.results.json_schema import Phase
from study.results.predictions import decode
from study.results.records import TrialRecord
from study.trial import Attempt, Outcome

WRITE_SECONDS = 2.0
"""Minimum seconds between two writes of the tables."""
WRITE_SHARE = 0.05
"""Maximum share of the time spent on these writes: the table of 10,000 trials takes about a second."""
TOLD = ("predictions", "examples")
"""What the last row of a trial may carry beside its metrics; kept as metadata of its epochs."""
_COLUMNS = [f.name for cls in (EpochMetrics, OracleMetrics) for f in fields(cls)]


class Recorder:
    """Records of all trials, running or finished, and the rows of the running ones. One writer per results folder."""

    def __init__(self, plan: Plan, folder: ResultsFolder, loggers: Loggers | None = None) -> None:
        """Continue from the tables in `folder`, if there are any."""
        self.plan, self.folder, self._loggers = plan, folder, loggers
        self.records = {record.trial: record for record in folder.read_trials()}
        self._shared = {stage.key for stage in shared_stages(plan)}
        self._rows: dict[str, list[dict[str, Any]]] = {}
        """Trial -> its epochs; running trials only."""
        self._crowd = Crowd(plan)
        for record in self.records.values() if plan.spec.objective.consensus else ():
            if record.status == "complete" and (predictions := folder.read_predictions(record.trial)):
                self._crowd.add(record.condition, record.trial, predictions)
        self._told: dict[str, dict[str, str]] = {}
        """Running trial -> its `predictions` and `examples`, once it has drawn its budget."""
        self._changed: set[str] = set()
        self._behind = False
        """Whether a trial has ended since the table of trials was last written."""
        self._written, self._wait = time.monotonic(), WRITE_SECONDS

    def finished(self) -> dict[str, Outcome]:
        return {
            name: Outcome(record.status, record.cause, record.objective, record.seconds, record.constraints)
            for name, record in self.records.items()
            if record.status != "running"
        }

    def ended(self, phase: Phase) -> int:
        """Return how many trials of a phase have ended."""
        return sum(record.phase == phase and record.status != "running" for record in self.records.values())

    def start(self, attempt: Attempt) -> None:
        """Record that a trial was handed out, for the first time or again."""
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
        """Add one epoch of a trial; drop those of the same and later numbers, from an attempt that was cut short."""
        rows = self._rows[attempt.trial]
        while rows and rows[-1]["epoch"] >= row["epoch"]:
            rows.pop()
        rows.append({name: row.get(name) for name in _COLUMNS})
        if told := {name: row[name] for name in TOLD if row.get(name)}:
            self._told[attempt.trial] = told
        self._changed.add(attempt.trial)
        if self._loggers:
            self._loggers.epoch(self.records[attempt.trial], rows[-1])

    def under_way(self) -> list[tuple[TrialRecord, list[dict[str, Any]]]]:
        """Return the running trials that have reported an epoch, with their epochs."""
        return [(self.records[trial], rows) for trial, rows in self._rows.items() if rows]

    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Record the end of a trial. On return, `read_trials` includes it; the table of trials follows with the next
        flush, since writing the whole table for every trial would take ever longer."""
        record = self.records[attempt.trial]
        self._sum_up(attempt.trial)
        record.status, record.cause, record.objective = outcome.status, outcome.cause, outcome.objective
        record.constraints = dict(outcome.constraints)
        now = datetime.now(UTC)
        record.ended = max(now, record.started or now)  # the clock may have been set back
        test = [row["oracle_test_acc"] for row in self._evaluated(attempt.trial)]
        record.oracle_test_acc = _mean(test[-attempt.last :])
        record.oracle_test_acc_best = max(test, default=math.nan)
        told = self._told.pop(attempt.trial, {})
        self._write_epochs([attempt.trial], record, told)
        if (text := told.get("predictions")) and record.status == "complete":
            self._crowd.add(record.condition, record.trial, decode(text))
        self._changed.discard(attempt.trial)
        self._behind = True
        del self._rows[attempt.trial]
        if self._loggers:
            self._loggers.end(record)

    def consensus(self, condition: str) -> dict[str, float]:
        """Return complete searched trials of a condition -> their newest consensus, which becomes that of their
        records; none if there are too few, or the study takes none."""
        agreed = self._crowd.consensus(condition)
        for trial, (value, error) in agreed.items():
            record = self.records[trial]
            self._behind |= record.consensus != value
            record.consensus, record.consensus_error = value, error
        return {trial: value for trial, (value, _) in agreed.items()}

    def judge(self, values: Mapping[str, float]) -> None:
        """Set the `value` of these trials; of the others it becomes NaN."""
        for name, record in self.records.items():
            record.value = values.get(name, math.nan)
        self._behind = True

    def flush(self, now: bool = False) -> None:
        """Write what has changed, if the last write is long enough ago or `now`."""
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

    def _write_epochs(
        self, trials: Iterable[str], ended: TrialRecord | None = None, told: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        for trial in trials:
            condition = self.records[trial].condition
            rows = [{"trial": trial, "condition": condition, **row} for row in self._rows[trial]]
            self.folder.write_epochs(trial, rows, ended, **told)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
