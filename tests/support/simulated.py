"""A trial with a known curve in place of training; importable by Ray's workers."""

import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import numpy as np

from codim.metrics import EpochMetrics, OracleMetrics
from study.results.predictions import encode
from study.worker.job import Job
from study.worker.trainable import Row

NAN = float("nan")
OPTIMA = {0.2: 3.0, 0.5: 12.0, 0.8: 50.0}
"""Best mixmatch/lambda_u by noise rate; elsewhere 25."""
EPOCHS = 8


def curve(job: Job) -> Iterator[Row]:
    """Rises towards 1 - (log10 distance of lambda_u from the condition's optimum)^2 / 4."""
    reached = value(job.config["noise"].get("rate", 0), job.config["mixmatch"]["lambda_u"])
    for epoch in range(EPOCHS):
        yield row(job, epoch, reached * (1 - 0.5 ** (epoch + 1)))


def value(rate: float, lambda_u: float) -> float:
    """What a trial reaches."""
    return 0.9 - math.log10(max(lambda_u, 0.5) / OPTIMA.get(rate, 25.0)) ** 2 / 4


def row(job: Job, epoch: int, accuracy: float) -> Row:
    """One epoch, an eighth of the budget."""
    budget = job.config["train"]["samples"]
    known: Row = dict.fromkeys((f.name for f in fields(EpochMetrics)), NAN)
    known |= {
        "epoch": epoch,
        "phase": "cotrain",
        "samples": budget * (epoch + 1) // EPOCHS,
        "seconds": 0.01,
        "val_acc": accuracy if job.config["data"]["val_fraction"] else NAN,
        "labelled_fraction": 0.6,
        "split_state": "ok",
        "classes_without_labelled": 0,
        "loss_histogram": [3, 2, 1],
    }
    oracle = dict.fromkeys((f.name for f in fields(OracleMetrics)), NAN)
    return known | oracle | {"oracle_test_acc": accuracy, "oracle_loss_histogram": [0, 1, 1]}


def predicting(job: Job) -> Iterator[Row]:
    """`curve`, whose last accuracies are by luck of the trial's seed off by up to .2; its predictions tell what it is
    worth."""
    rng = np.random.default_rng(job.config["train"]["seed"])
    given, (reached, luck) = np.random.default_rng(0), (value(0.5, job.config["mixmatch"]["lambda_u"]), rng.random())
    true = given.integers(10, size=400)
    labels = np.where(given.random(400) < 0.5, given.integers(10, size=400), true)
    named = np.where(rng.random(400) < reached, true, rng.integers(10, size=400))
    for one in curve(job):
        one["val_acc"] = 0.5 + 0.4 * luck
        if job.predicts and one["epoch"] == EPOCHS - 1:
            one["predictions"] = encode(np.eye(10)[named] * 0.9 + 0.01, labels)
        yield one


def lucky(job: Job) -> Iterator[Row]:
    """`curve`, on true labels by luck of the trial's seed off by up to .2."""
    luck = np.random.default_rng(job.config["train"]["seed"]).random()
    for one in curve(job):
        yield one | {"oracle_test_acc": one["oracle_test_acc"] - 0.2 * luck}


def troubled(job: Job) -> Iterator[Row]:
    """Trial 2 reports NaN, trial 3 raises, trial 4 reports no accuracy, the others are sound."""
    number = int(job.trial[-4:])
    for sound in curve(job):
        if sound["epoch"] == 2:
            if number == 2:
                sound["val_acc"] = NAN
            if number == 3:
                raise FloatingPointError("the training loss became nan in epoch 2")
            if number == 4:
                del sound["val_acc"]
        yield sound


def slow(job: Job, epoch_seconds: float = 0.1) -> Iterator[Row]:
    """Each epoch is noted in epochs.log with the process; goes on from a checkpoint, which holds the number of epochs
    done."""
    checkpoint = Path(job.folder) / "checkpoint.pt"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    rows = list(curve(job))
    if done == EPOCHS:
        yield rows[-1] | {"history": rows[:-1]}
    for epoch in range(done, EPOCHS):
        time.sleep(epoch_seconds)
        with Path(job.folder).parents[1].joinpath("epochs.log").open("a") as log:
            log.write(f"{job.trial} {epoch} {os.getpid()}\n")
        scratch = checkpoint.with_suffix(".new")
        scratch.write_text(str(epoch + 1))
        scratch.replace(checkpoint)
        yield rows[epoch] | ({"history": rows[:epoch]} if epoch == done and done else {})


def held(job: Job) -> Iterator[Row]:
    """`slow`, but no trial ends before a file `go` lies beside epochs.log: Tune would give a trial that waits the
    worker of one that has ended, not a new one."""
    go = Path(job.folder).parents[1] / "go"
    for row in slow(job):
        while row["epoch"] == EPOCHS - 1 and not go.exists():
            time.sleep(0.1)
        yield row


def uneven(job: Job) -> Iterator[Row]:
    """One of the first two trials ends long before the other."""
    return slow(job, epoch_seconds=2 if job.trial.startswith("symmetric-0.5") else 0.1)


def set_back_clock_once(mark: Path) -> None:
    """By a day, in this process, when a file stands at `mark`."""

    import time_machine  # no worker needs it, nor a benchmark

    def watch() -> None:
        while not mark.exists():
            time.sleep(0.05)
        time_machine.travel(datetime.now(UTC) - timedelta(days=1)).start()

    Thread(target=watch, daemon=True).start()


def killed(job: Job) -> Iterator[Row]:
    """`slow`, but the first worker of trial 1 kills itself after epoch 3."""
    mark = Path(job.stages).with_name(f"killed-{job.trial}")
    for sound in slow(job):
        yield sound
        if job.trial.endswith("0001") and sound["epoch"] == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def hung(job: Job) -> Iterator[Row]:
    """Trial 1 sleeps for ever after epoch 2."""
    for sound in curve(job):
        if job.trial.endswith("0001") and sound["epoch"] == 3:
            time.sleep(10_000)
        yield sound


def greedy(job: Job) -> Iterator[Row]:
    """`slow`, but trial 1 takes more and more memory from epoch 3 on, up to 70 % of what is free."""
    import psutil

    step = psutil.virtual_memory().available // 40
    taken = []
    for sound in slow(job):
        yield sound
        if job.trial.endswith("0001") and sound["epoch"] >= 3:
            for _ in range(28):
                taken.append(b"1" * step)
                time.sleep(0.1)
