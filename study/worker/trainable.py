"""What runs in a worker: one trial, a row an epoch. Interrupted, it goes on from its last checkpoint."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from ray import tune

from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData, load_data
from codim.evaluation.observer import Observer
from codim.runtime.device import torch_device
from codim.runtime.distributed import from_first, rank
from codim.training.checkpoint import InputSpec, has_checkpoint, load_checkpoint, save_checkpoint
from codim.training.loop import run_epochs
from codim.training.state import TrainState
from study.worker.epoch_rows import Row, read_rows, row_of, write_rows
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
