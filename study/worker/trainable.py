"""What runs in a worker: one trial, a row an epoch. Interrupted, it goes on from its last checkpoint."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from ray import tune

from codim.config.train_config import TrainConfig
from codim.runtime.distributed import from_first, rank
from codim.training.session import Row, Session
from study.worker.epoch_rows import read_rows, write_rows
from study.worker.job import Job, OutOfStep, Train, note_failure
from study.worker.stages import start_of
from study.worker.staging import nothing, worked_on
from study.worker.watchdog import watched


def trainable(train: Train) -> Callable[[dict[str, Any]], None]:
    """The Tune function of `train`. An exception is reported, not raised: Tune would try the trial again, in vain."""

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
    """A training, as `Train` says. The checkpoint is written before the row is reported, and the rows before the
    checkpoint: wherever worker or driver is killed, the rows up to the checkpoint are on disk. Of several workers all
    run this and see the same rows; the first one writes."""
    torch.set_num_threads(job.threads)
    config = TrainConfig.model_validate(job.config)
    session, folder = Session.load(config), Path(job.folder)
    if session.resume(folder / "checkpoint.pt"):
        rows = read_rows(folder, session.state.epoch)
    else:
        session.state, rows = start_of(config, session.data, Path(job.stages))
    epoch = session.state.epoch
    if epoch != from_first(epoch):
        # A network file system may show a new file to one node and not to another.
        raise OutOfStep(f"worker {rank()} found the checkpoint of epoch {epoch} and the first worker another")
    if rows and session.state.samples >= config.train.samples:
        yield _with_history(rows)
    saved, first = time.monotonic(), True
    for row in session.epochs():
        rows.append(row)
        if rank() == 0 and time.monotonic() - saved >= job.checkpoint_seconds:
            write_rows(folder, rows)
            session.save(folder / "checkpoint.pt")
            saved = time.monotonic()
        yield _with_history(rows) if first else row
        first = False


def _with_history(rows: list[Row]) -> Row:
    return {**rows[-1], "history": rows[:-1]} if len(rows) > 1 else rows[-1]
