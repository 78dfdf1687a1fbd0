"""What a worker is told of a trial, and how it reports a failure."""

import errno
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codim.training.session import Row


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
