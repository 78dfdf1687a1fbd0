"""A trial as it is handed to a worker, and how the worker reports a failure."""

import errno
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codim.training.session import Row


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs to run a trial. Plain values, so that Tune can send it as a config."""

    trial: str
    config: dict[str, Any]
    """The resolved TrainConfig."""
    folder: str
    """Folder of the trial: its checkpoint, its epochs so far, and the traceback if it fails."""
    stages: str
    """Folder of the shared stages."""
    threads: int
    checkpoint_seconds: float
    predicts: bool = False
    """Whether the last row carries the predictions for the validation images, as `predictions`."""
    examples: int = 0
    """Maximum number of images of each kind that the last row carries, as `examples`; 0: none."""
    epoch_timeout_minutes: float | None = None
    """Longest time between two rows before `watched` ends the process."""


STORAGE_FAULTS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
)
"""Error numbers of storage that is full, read-only, no longer ours, broken or gone."""
Train = Callable[[Job], Iterator[Row]]
"""Training of a job: yields one row per epoch, with the fields of EpochMetrics and OracleMetrics; the first row after a
resumption carries the rows before it as `history`."""


def note_failure(job: Job, error: Exception, send: Callable[[], None]) -> Row:
    """Write the traceback into the trial's folder, and return the row that ends the trial as failed; if the storage is
    at fault, the row that ends the study."""
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
    """Return the error of a disk or file server that is `error` or caused it; None if there is none. torch raises an
    error of its own after that of the file that it writes."""
    while error:
        if isinstance(error, OSError) and error.errno in STORAGE_FAULTS:
            return error
        error = error.__cause__ or error.__context__
    return None


class OutOfStep(RuntimeError):
    """The workers of a trial are at different epochs."""
