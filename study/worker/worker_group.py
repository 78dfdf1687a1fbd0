"""A trial of several data-parallel workers: a Ray Train run inside a Tune trial. One worker: study/worker/trainable.py.

Rows go from the first worker through a queue to the Tune trial, which alone reports. Not through `ray.train.report` and
Ray's TuneReportCallback: the one hands over a report every two seconds, which short epochs would wait for, and the
other's last row can block the trial for ever, where it arrives when the run has already returned.

Workers are started again here, not by `ray.train.FailureConfig`: Tune ends a trial by killing its process, and workers
that Ray Train is starting at that moment keep their CPUs. So a trial only reports while its workers run, or are gone.
"""

import os
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import ray
from ray import train as ray_train
from ray import tune
from ray.train.torch import TorchTrainer
from ray.util.queue import Empty, Queue

from codim.runtime.distributed import rank
from codim.training.session import Row
from study.ray_private import propagate_to_workers
from study.spec.sections import Resources
from study.worker.job import Job, OutOfStep, Train, note_failure
from study.worker.rendezvous import OnOneAddress
from study.worker.staging import nothing, worked_on
from study.worker.watchdog import watched

LOST_WORKERS = 3
"""Number of times that a trial's workers restart from the last checkpoint after one was lost."""
POLL_SECONDS = 0.5
"""Seconds between two checks, of its workers by Ray Train, and of the run by the trial."""
TRIAL_MEMORY = 2**20
"""Memory that a trial requests, in bytes: Tune wants it to request something, and CPUs and GPUs belong to its
workers."""


def several_workers(train: Train, resources: Resources) -> Callable[[dict[str, Any]], None]:
    """Return the Tune function of `train` with `resources.workers_per_trial` workers. An exception in the loop is
    reported and ends the trial; if a worker is lost, all restart from the last checkpoint, up to LOST_WORKERS times."""

    def run_trial(config: dict[str, Any]) -> None:
        job = Job(**config)
        rows = Queue(maxsize=1, actor_options={"num_cpus": 0})
        for _ in range(LOST_WORKERS + 1):
            failure: Row | None = None
            run = _in_thread(_trainer(train, resources, job, rows).fit)
            while True:
                over = run.done()
                try:
                    row = rows.get(timeout=POLL_SECONDS)
                except Empty:
                    if over:
                        break
                    continue
                if "failure" in row or "storage" in row:
                    failure = row
                else:
                    tune.report(row)
            error = run.exception()
            if failure or error is None:
                break
        else:
            failure = {"failure": f"Ray Train gave up: {str(error).strip().splitlines()[-1]}"}
        if failure:
            tune.report(failure)

    return run_trial


def _trainer(train: Train, resources: Resources, job: Job, rows: Queue) -> TorchTrainer:
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = str(POLL_SECONDS)
    # It tells the loop of a node that is about to be taken away, and ours would not listen; a process less.
    os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"
    # The process that gives back the CPUs of a dead run would otherwise look for any Ray on its machine, and ask the
    # wrong one or, of several, none.
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    propagate_to_workers("RAY_ADDRESS")
    gpus = resources.gpus_per_worker > 0
    return TorchTrainer(
        lambda: _loop(train, job, rows),
        # Plain values travel between the workers too (codim.runtime.distributed.broadcast): gloo beside NCCL.
        torch_config=OnOneAddress(backend="cpu:gloo,cuda:nccl" if gpus else "gloo"),
        scaling_config=ray_train.ScalingConfig(
            num_workers=resources.workers_per_trial,
            use_gpu=gpus,
            resources_per_worker={"CPU": resources.cpus_per_worker, "GPU": resources.gpus_per_worker},
        ),
        run_config=ray_train.RunConfig(
            name=job.trial,
            # Nothing of what it writes is read again: it may lie where Ray's own files do, and go with them.
            storage_path=tune.get_context().get_trial_dir(),
        ),
    )


def _loop(train: Train, job: Job, rows: Queue) -> None:
    """Loop of each worker: send and queue the rows, report failures."""
    with ExitStack() as stack:
        send = nothing
        try:
            job, send = stack.enter_context(worked_on(job))
            for row in watched(train(job), Path(job.folder), job.epoch_timeout_minutes):
                if rank() == 0:
                    send()
                    rows.put(row)
        except Exception as error:
            if not _of_a_lost_worker(error):
                rows.put(note_failure(job, error, send))
            raise


def _of_a_lost_worker(error: Exception) -> bool:
    """Whether `error` comes from the communication between workers, so that another worker, not the training,
    failed."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, OutOfStep) or innermost.f_globals["__name__"].startswith("torch.distributed")


def _in_thread(work: Callable[[], Any]) -> "Future[Any]":
    """Run `work` in a daemon thread: Python would wait for those of a pool at the end of a stopped trial."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future
