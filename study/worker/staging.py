"""Staging: a worker's own copy of a trial's folder, and of the stages that it starts from, when these are on object
storage."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from codim.config.train_config import TrainConfig
from codim.runtime.announce import repeated
from codim.runtime.distributed import rank
from study.plan.shared_stages import Stage, pretraining, warm_up
from study.results.object_storage import Copy, Remote, is_remote, join, own_copy, scratch
from study.worker.job import Job
from study.worker.stages import PROGRESS, Made, claimed, compute_stage, progress_of, stage_file
from study.worker.watchdog import HUNG

TRIALS, STAGES = "trials", "stages"
OWNER = ".owner"
STAGE_SECONDS = 15.0
"""Seconds between two uploads of a stage that is being computed, from which another node could resume it."""


def nothing() -> None:
    """Send nothing: all nodes share a disk."""


@contextmanager
def worked_on(job: Job) -> Iterator[tuple[Job, Callable[[], None]]]:
    """Yield the job with its folder on this node's disk, and a function that uploads changed files, to call before each
    row is reported. Both raise OSError. On a disk that all nodes share, the job stays as it is.

    The local folder is named after trial and settings, because a trial that a driver handed out but could not record
    may be handed out again with other settings.
    """
    if not is_remote(job.folder):
        yield job, nothing
        return
    address = join(job.folder, hashlib.sha256(json.dumps(job.config, sort_keys=True).encode()).hexdigest()[:12])
    trial, local = Remote(address), own_copy(TRIALS, address) / str(rank())  # workers of a trial may share a node
    copy = Copy(trial, local)
    _sweep()
    if (local / HUNG).exists():  # of a process that ended itself; on another node it will hang again
        trial.send(local, [HUNG])
    shutil.rmtree(local, ignore_errors=True)
    local.mkdir(parents=True)
    (local / OWNER).write_text(str(os.getpid()))
    copy.fetch(trial.names())
    config = TrainConfig.model_validate(job.config)
    for stage in filter(None, (pretraining(config), warm_up(config))):
        _fetched(stage, job.stages)

    def send() -> None:
        # The rows were written before their checkpoint, and must be there before it too.
        for name in _to_send(local):
            copy.send([name])

    try:
        yield replace(job, folder=str(local), stages=str(own_copy(STAGES, job.stages))), send
    finally:
        shutil.rmtree(local, ignore_errors=True)
        with suppress(OSError):  # not empty
            local.parent.rmdir()


def compute_stage_at(stage: Stage, address: str) -> Made:
    """Do as `compute_stage` in a folder that may be on object storage, where two concurrent studies each compute it.
    Raises OSError."""
    if not is_remote(address):
        return compute_stage(stage, Path(address))
    copy = _fetched(stage, address)

    def send() -> None:
        with suppress(OSError):
            copy.send(_to_send(copy.local))

    with repeated(STAGE_SECONDS, send):
        made = compute_stage(stage, copy.local.parent)
    for name in _to_send(copy.local):
        copy.send([name])
    for name in set(copy.remote.names()) - set(_to_send(copy.local)):
        copy.remote.delete(name)
    return made


def progress_at(stage: Stage, address: str) -> float:
    """Do as `progress_of` in a folder that may be on object storage."""
    if not is_remote(address):
        return progress_of(stage, Path(address))
    remote = Remote(join(address, stage.key))
    with suppress(OSError, ValueError):
        return float(remote.get(PROGRESS) or stage_file(stage, Path()).name in remote.names())
    return 0.0


def _fetched(stage: Stage, address: str) -> Copy:
    """Return this node's copy of a stage, downloaded if it exists remotely and not yet here."""
    folder = own_copy(STAGES, address)
    copy = Copy(Remote(join(address, stage.key)), folder / stage.key)
    if not stage_file(stage, folder).exists() and (names := copy.remote.names()):
        with claimed(folder / stage.key):
            copy.fetch(names)
    return copy


def _to_send(folder: Path) -> list[str]:
    """Return the files to upload, oldest first; previous versions and scratch files are not needed, since no object is
    ever half written."""
    files = [path for path in folder.iterdir() if not path.name.startswith(".") and ".previous." not in path.name]
    return [path.name for path in sorted(files, key=lambda path: path.stat().st_mtime_ns) if path.is_file()]


def _sweep() -> None:
    """Remove the files of killed processes on this node, except the notes that they hung."""
    for owner in scratch().glob(f"{TRIALS}/*/*/{OWNER}"):
        try:
            os.kill(int(owner.read_text()), 0)
        except ProcessLookupError:
            for path in owner.parent.iterdir():
                if path.name != HUNG:
                    path.unlink(missing_ok=True)
        except (OSError, ValueError):  # another one was faster
            continue
