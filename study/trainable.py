"""What runs in a worker: one trial, a row an epoch. Interrupted, it goes on from its last checkpoint."""

import errno
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune

from codim.augment import Augmenter
from codim.checkpoint import InputSpec, has_checkpoint, load_checkpoint, save_checkpoint
from codim.config import TrainConfig
from codim.datasets import TrainingData, load_data
from codim.device import torch_device
from codim.evaluate import Observer
from codim.parallel import from_first, rank
from codim.state import TrainState
from codim.train import run_epochs
from study.rows import Row, read_rows, row_of, write_rows
from study.stages import start_of
from study.watchdog import watched
from study.worked import nothing, worked_on


@dataclass(frozen=True)
class Job:
    """All that a worker is told of a trial. Plain values, so that it travels as Tune's config."""

    trial: str
    config: dict[str, Any]
    """The resolved TrainConfig."""
    folder: str
    """The trial's own: checkpoint, its epochs so far, and the traceback where it fails."""
    stages: str
    """Folder of the shared stages."""
    threads: int
    checkpoint_seconds: float
    epoch_timeout_minutes: float | None = None
    """What `watched` allows."""


STORAGE_FAULTS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
)
"""Full, read-only, not ours any more, broken, or gone from under us."""
Train = Callable[[Job], Iterator[Row]]
"""Yields the fields of EpochMetrics and OracleMetrics of each epoch; the first row of an attempt that goes on from a
checkpoint carries the rows before it as `history`."""


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


def note_failure(job: Job, error: Exception, send: Callable[[], None]) -> Row:
    """Leave the traceback in the trial's folder; returns the row that ends the trial as failed, or the study where the
    storage takes nothing more, which is no fault of the trial."""
    fault = storage_fault(error)
    try:
        if not fault:
            folder = Path(job.folder)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "error.txt").write_text("".join(traceback.format_exception(error)))
            send()
    except OSError as another:
        fault = another
    if fault:
        return {"storage": f"{fault.filename or job.folder}: {fault.strerror}"}
    return {"failure": f"{type(error).__name__}: {error}"}


def storage_fault(error: BaseException | None) -> OSError | None:
    """What says that a disk or file server is at fault, if `error` is that or came of it. torch raises an error of its
    own after that of the file it writes to."""
    while error:
        if isinstance(error, OSError) and error.errno in STORAGE_FAULTS:
            return error
        error = error.__cause__ or error.__context__
    return None


class OutOfStep(RuntimeError):
    """The workers of a trial do not stand at the same epoch."""


def train(job: Job) -> Iterator[Row]:
    """A training, as `Train` says. The checkpoint is written before the row is reported, and the rows before the
    checkpoint: wherever worker or driver is killed, the rows up to the checkpoint are on disk. Of several workers all
    run this and see the same rows; the first one writes."""
    torch.set_num_threads(job.threads)
    config = TrainConfig.model_validate(job.config)
    data, truth = load_data(config.data, config.noise, torch_device(config.train.device))
    augmenter = Augmenter.fit(config.augment, data.images)
    observer, spec = Observer(data, truth, augmenter), InputSpec.of(data, augmenter)
    folder = Path(job.folder)
    state, rows = _restored(folder, config, data) or start_of(config, data, Path(job.stages))
    if state.epoch != from_first(state.epoch):
        # A network file system may show a new file to one node and not to another.
        raise OutOfStep(f"worker {rank()} found the checkpoint of epoch {state.epoch} and the first worker another")
    if rows and state.samples >= config.train.samples:
        yield _with_history(rows)
    saved, first = time.monotonic(), True
    for metrics in run_epochs(config, data, state):
        rows.append(row_of(metrics, observer, state))
        if rank() == 0 and time.monotonic() - saved >= job.checkpoint_seconds:
            write_rows(folder, rows)
            save_checkpoint(folder / "checkpoint.pt", config, state, spec)
            saved = time.monotonic()
        yield _with_history(rows) if first else rows[-1]
        first = False


def _restored(folder: Path, config: TrainConfig, data: TrainingData) -> tuple[TrainState, list[Row]] | None:
    """State and rows at the last whole checkpoint; None where there is none."""
    if not has_checkpoint(folder / "checkpoint.pt"):
        return None
    state = load_checkpoint(folder / "checkpoint.pt", config, data)
    return state, read_rows(folder, state.epoch)


def _with_history(rows: list[Row]) -> Row:
    return {**rows[-1], "history": rows[:-1]} if len(rows) > 1 else rows[-1]
