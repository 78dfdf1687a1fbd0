"""Trials of two workers, for tests of their faults; importable by Ray's workers."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import ray  # noqa: F401  puts its own psutil on the path
import torch

from codim.runtime.distributed import mean, rank, world_size
from study.worker.job import Job
from study.worker.trainable import Row, train
from tests.support.simulated import EPOCHS
from tests.support.simulated import row as simulated_row


def killed_once(job: Job) -> Iterator[Row]:
    """A real training, whose second worker kills itself after its fourth epoch, once. Each worker notes every start by
    the first epoch that it trains, and the addresses at which it has TCP sockets then."""
    import psutil

    starts = Path(job.stages).with_name(f"starts-{rank()}")
    before = starts.read_text() if starts.exists() else ""
    for done, row in enumerate(train(job)):
        if done == 0:
            starts.write_text(f"{before}{row['epoch']} of {world_size()}\n")
            sockets = psutil.Process().net_connections(kind="tcp")
            starts.with_name(f"sockets-{rank()}").write_text("\n".join({own.laddr.ip for own in sockets}))
        yield row
        if rank() == 1 and not before and done == 3:
            os.kill(os.getpid(), signal.SIGKILL)


def good_broken_poor(job: Job) -> Iterator[Row]:
    """Trial 0 ends well; in trial 1 the second worker raises while the first waits for it; trial 2 is poor, and would
    take two minutes after the epoch that shows it. Each worker notes every start."""
    number = int(job.trial[-4:])
    with Path(job.stages).with_name(f"starts-{number}").open("a") as starts:
        starts.write(f"{rank()}\n")
    for epoch in range(EPOCHS):
        if number == 1 and epoch == 2 and rank() == 1:
            raise FloatingPointError("the training loss became nan in epoch 2")
        mean(torch.zeros(1))
        if number == 2 and epoch == 4:
            time.sleep(120)
        yield simulated_row(job, epoch, 0.2 if number == 2 else 0.8)


def hung(job: Job) -> Iterator[Row]:
    """The second worker sleeps for ever after epoch 2, and the first waits for it."""
    for epoch in range(EPOCHS):
        if epoch == 3 and rank() == 1:
            time.sleep(10_000)
        mean(torch.zeros(1))
        yield simulated_row(job, epoch, 0.8)
