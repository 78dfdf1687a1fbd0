"""The training of one trial in a worker, one row per epoch; after an interruption it resumes from its checkpoint.

Order of calls: Tune runs the function that `trainable` returns; `worked_on` (staging.py) gives the job a folder on this
node's disk; `watched` (watchdog.py) draws rows from `train`; each row is sent to storage, then reported to Tune. With
several workers per trial, worker_group.py takes the place of `trainable`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from ray import tune

from codim.config.train_config import TrainConfig
from codim.runtime.distributed import broadcast, rank
from codim.training.session import Row, Session
from study.worker.epoch_rows import read_rows, write_rows
from study.worker.examples import shown
from study.worker.job import Job, OutOfStep, Train, note_failure
from study.worker.stages import start_of
from study.worker.staging import nothing, worked_on
from study.worker.tail import Tail
from study.worker.watchdog import watched


def trainable(train: Train) -> Callable[[dict[str, Any]], None]:
    """Return the Tune function of `train`. It reports an exception instead of raising it, since Tune would try the
    trial again, in vain."""

    def run_trial(config: dict[str, Any]) -> None:
        job, send = Job(**config), nothing
        with ExitStack() as stack:
            try:
                job, send = stack.enter_context(worked_on(job))
                rows = watched(train(job), Path(job.folder), job.epoch_timeout_minutes)
                while (row := next(rows, None)) is not None:
                    send()
                    tune.report(row)
            except Exception as error:
                tune.report(note_failure(job, error, send))

    return run_trial


def train(job: Job) -> Iterator[Row]:
    """Train, as `Train` describes. The rows are written before the checkpoint, and the checkpoint before the row is
    reported: wherever worker or driver is killed, the rows up to the checkpoint are on disk. All workers of a trial run
    this and see the same rows; the first one writes."""
    torch.set_num_threads(job.threads)
    config = TrainConfig.model_validate(job.config)
    session, folder = Session.load(config), Path(job.folder)
    if session.resume(folder / "checkpoint.pt"):
        rows = read_rows(folder, session.state.epoch)
    else:
        session.state, rows = start_of(config, session.data, Path(job.stages))
    epoch = session.state.epoch
    if epoch != broadcast(epoch):
        # A network file system may show a new file to one node and not to another.
        raise OutOfStep(f"worker {rank()} found the checkpoint of epoch {epoch} and the first worker another")
    if rows and session.state.samples >= config.train.samples:
        yield _with_history(rows)
    saved, first, tail = time.monotonic(), True, Tail(session)
    for row in session.epochs():
        if job.predicts and (told := tail.after_epoch()):
            row["predictions"] = told
        if job.examples and (images := shown(session, job.examples)):
            row["examples"] = images
        rows.append(row)
        if rank() == 0 and time.monotonic() - saved >= job.checkpoint_seconds:
            write_rows(folder, rows)
            session.save(folder / "checkpoint.pt")
            saved = time.monotonic()
        yield _with_history(rows) if first else row
        first = False


def _with_history(rows: list[Row]) -> Row:
    return {**rows[-1], "history": rows[:-1]} if len(rows) > 1 else rows[-1]
