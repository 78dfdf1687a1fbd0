"""Thin adapters between Tune and one queue of trials: a searcher, a scheduler and a callback. They decide nothing.

Order of calls by Tune, per trial: `ConditionSearcher.suggest` asks the queue and hands out a Job;
`OptunaScheduler.on_trial_result` records each row and reports it to the queue, which may stop the trial;
`on_trial_error` notes a lost worker; `ConditionSearcher.on_trial_complete` records the outcome, then tells the queue.
Between the steps of Tune's loop, `Ticker.on_step_end` calls back the driver.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, Generic

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from study.monitor.recorder import Recorder
from study.trial import A, Queue
from study.worker.job import Job


class _NotPickled:
    """Tuner pickles its parts for Tuner.restore, which a study never calls: leave the live objects out."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ConditionSearcher(_NotPickled, Searcher, Generic[A]):
    """Hands Tune the trials of all conditions, and records their outcomes."""

    def __init__(
        self, queue: Queue[A], recorder: Recorder, job: Callable[[A], Job], ended: Callable[[A], None]
    ) -> None:
        """`ended` is called with each trial whose outcome is recorded and reported."""
        super().__init__()
        self.queue, self.recorder, self.job, self.ended = queue, recorder, job, ended
        self.live: dict[str, A] = {}
        """Trials under way, by Tune's trial id."""
        self.halt: OSError | None = None
        """Why writing is no longer possible; from then on, trials under way stay so in all records."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # Ray's sign for the end
        if self.halt:
            return None
        with self.halting():
            attempt = self.queue.ask()
            if attempt is None:
                return str(Searcher.FINISHED)
            self.live[trial_id] = attempt
            self.recorder.start(attempt)
            return asdict(self.job(attempt))
        return None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        attempt = self.live.pop(trial_id)
        if self.halt:
            return
        if error and not attempt.failure:
            attempt.failure = f"the worker was lost: {attempt.lost}"
        outcome = attempt.outcome()
        with self.halting():
            # In this order: a driver killed in between finds the record, and tells Optuna what it says.
            self.recorder.finish(attempt, outcome)
            self.queue.tell(attempt, outcome)
            self.ended(attempt)

    @contextmanager
    def halting(self) -> Iterator[None]:
        """Halt the study when a write in this context fails: Tune would take the error for the trial's."""
        try:
            yield
        except OSError as error:
            self.halt = error

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: a study is rebuilt from its journal."""


class OptunaScheduler(FIFOScheduler):
    """Processes each epoch and stops the trials that Optuna prunes; otherwise first in, first out."""

    def __init__(self, searcher: ConditionSearcher[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        attempt, go_on = self.searcher.live[trial.trial_id], False
        if result.get("storage"):
            self.searcher.halt = OSError(str(result["storage"]))
        if self.searcher.halt:
            return str(TrialScheduler.STOP)
        if result.get("failure"):
            attempt.failure = str(result["failure"])
            return str(TrialScheduler.STOP)
        if result.get("done"):  # the function has returned; Tune repeats the last result
            return str(TrialScheduler.CONTINUE)
        with self.searcher.halting():
            for row in result.get("history", ()):
                self.searcher.recorder.epoch(attempt, row)
                self.searcher.queue.report(attempt, row, replayed=True)
            self.searcher.recorder.epoch(attempt, result)
            go_on = self.searcher.queue.report(attempt, result)
        return str(TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Note why a worker was lost. Also called when Tune is about to restart the trial; the reason is not used
        then."""
        # `trial.get_error` looks where the file will be copied to.
        told = Path(trial.error_file).read_text(encoding="utf-8").strip() if trial.error_file else ""
        self.searcher.live[trial.trial_id].lost = told.splitlines()[-1] if told else "no reason given"

    def debug_string(self) -> str:
        return "one Optuna pruner per condition"


class Ticker(_NotPickled, Callback):
    """Calls `tick` between the steps of Tune's loop, with Tune's trials."""

    def __init__(self, tick: Callable[[list[Trial]], None], interrupted: Callable[[], None]) -> None:
        """`interrupted` is called at once when the study is, which Tune then takes some time to end."""
        self.tick, self.interrupted = tick, interrupted
        self._listens = False

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if not self._listens:
            self._listens, tune = True, signal.getsignal(signal.SIGINT)

            def heard(number: int, frame: FrameType | None) -> None:
                self.interrupted()
                if callable(tune):
                    tune(number, frame)

            signal.signal(signal.SIGINT, heard)
        self.tick(trials)
