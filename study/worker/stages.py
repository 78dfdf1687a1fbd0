"""Shared stages: computed once, kept in a folder by their key (study/plan/shared_stages.py)."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Literal

from torch import Tensor

from codim.config.budget import milestones, pretrain_samples
from codim.config.train_config import TrainConfig
from codim.data.feature_views import fitted_augmenter
from codim.data.load import TrainingData, load_data
from codim.runtime.announce import repeated
from codim.runtime.atomic_file import held, replacement
from codim.runtime.device import torch_device
from codim.runtime.tensor_file import previous, read_tensors, write_tensors
from codim.training.checkpoint import load_checkpoint
from codim.training.pretrain import PretrainState, pretrain_epochs
from codim.training.session import Row, Session
from codim.training.state import TrainState
from study.plan.shared_stages import Stage, pretraining, warm_up
from study.worker.epoch_rows import read_rows, write_rows

CHECKPOINT_SECONDS = 60.0
"""Seconds between two checkpoints of a pre-training, which can take hours: the most that a lost worker costs."""
PROGRESS = "progress"
PROGRESS_SECONDS = 0.5
"""Seconds between two notes of a stage's progress."""
Made = Literal["computed", "found", "diverged"]


def compute_stage(stage: Stage, folder: Path) -> Made:
    """Compute a stage unless it exists in `folder`, below its key; concurrent callers wait for the first one.

    Returns:
        computed: it was missing or damaged. diverged: it is not there, and no training that begins with it can succeed.
    Raises:
        ValueError: a pre-training diverged.
    """
    with claimed(folder / stage.key):
        if _is_whole(stage, folder):
            return "found"
        if stage.kind == "pre-training":
            _compute_pretraining(stage, folder)
        else:
            try:
                _compute_warm_up(stage, folder)
            except FloatingPointError:  # each trial finds it out again, and is a failed trial with that cause
                return "diverged"
        return "computed"


def start_of(config: TrainConfig, data: TrainingData, folder: Path) -> tuple[TrainState, list[Row]]:
    """Return the initial state of a training, after those of its stages that exist in `folder`, and the rows of their
    epochs (pre-training has none)."""
    stage = warm_up(config)
    if stage and _lies_in(stage, folder):
        state = load_checkpoint(stage_file(stage, folder), stage.config, data)
        state.generator.manual_seed(config.train.seed)
        return state, read_rows(folder / stage.key, state.epoch)
    return TrainState.create(config, data, read_pretraining(config, folder)), []


def read_pretraining(config: TrainConfig, folder: Path) -> dict[str, Tensor] | None:
    """Return the weights of the pre-training of `config` from `folder`; None if it does not exist there."""
    stage = pretraining(config)
    return read_tensors(stage_file(stage, folder)) if stage and _lies_in(stage, folder) else None


def _lies_in(stage: Stage, folder: Path) -> bool:
    """Whether a stage exists; a damaged one is first computed anew."""
    return stage_file(stage, folder).exists() and compute_stage(stage, folder) != "diverged"


def _compute_pretraining(stage: Stage, folder: Path) -> None:
    config = stage.config
    data, _ = load_data(config.data, config.noise, torch_device(config.train.device))
    unfinished = folder / stage.key / "unfinished.pt"
    state = _pretrain_state(config, data, unfinished)
    saved, augmenter = time.monotonic(), fitted_augmenter(config, data.images)
    epochs, per_epoch = (
        config.pretrain.epochs,
        pretrain_samples(config.pretrain, len(data.images)) / config.pretrain.epochs,
    )
    with _progress_noted(stage, folder, lambda: (state.epoch + state.under_way / per_epoch) / epochs):
        for loss, _ in pretrain_epochs(config.pretrain, data.images, augmenter, state):
            if not math.isfinite(loss):
                raise ValueError(f"pre-training: the loss became {loss}; a smaller pretrain/lr may help")
            if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                write_tensors(unfinished, state.saved())
                saved = time.monotonic()
        write_tensors(stage_file(stage, folder), {name: tensor.cpu() for name, tensor in state.result().items()})
    for path in (unfinished, previous(unfinished)):
        path.unlink(missing_ok=True)


def _pretrain_state(config: TrainConfig, data: TrainingData, unfinished: Path) -> PretrainState:
    def create() -> PretrainState:
        return PretrainState.create(config.pretrain, config.network, data.images, len(data.classes))

    state = create()
    try:
        state.restore(read_tensors(unfinished))
    except (ValueError, RuntimeError):  # none, damaged, or begun on another kind of device
        return create()
    return state


def _compute_warm_up(stage: Stage, folder: Path) -> None:
    config = stage.config
    session = Session.load(config)
    end = milestones(config, len(session.data.images), len(session.data.train_index)).warmup
    session.start(read_pretraining(config, folder))
    state, rows, begun = session.state, list[Row](), session.state.samples
    with _progress_noted(stage, folder, lambda: (state.drawn - begun) / (end - begun)):
        for row in session.epochs():
            # The study spends the time once; no trial does.
            rows.append(row | {"seconds": 0.0})
            if state.samples >= end:
                break
        write_rows(folder / stage.key, rows)
        session.save(stage_file(stage, folder))


def progress_of(stage: Stage, folder: Path) -> float:
    """Share of the stage that is done, in [0, 1]; 0 before anyone has begun."""
    with suppress(OSError, ValueError):
        return float((folder / stage.key / PROGRESS).read_text(encoding="utf-8"))
    return float(stage_file(stage, folder).exists())


@contextmanager
def _progress_noted(stage: Stage, folder: Path, done: Callable[[], float]) -> Iterator[None]:
    """Keep the progress of a stage on disk while the context lasts; at its end, the stage's file tells it."""
    place = folder / stage.key / PROGRESS

    def note() -> None:
        # Only shown; what matters fails by itself.
        with suppress(OSError), replacement(place, "new") as scratch:
            scratch.write_text(f"{min(done(), 1):.4f}")

    try:
        with repeated(PROGRESS_SECONDS, note):
            yield
    finally:
        place.unlink(missing_ok=True)


def claimed(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a stage's folder; it ends with the process that holds it."""
    return held(folder / ".lock")


def _is_whole(stage: Stage, folder: Path) -> bool:
    try:
        read_tensors(stage_file(stage, folder))
        return stage.kind == "pre-training" or bool(read_rows(folder / stage.key, 2**62))
    except (OSError, ValueError):  # it is only a cache
        return False


def stage_file(stage: Stage, folder: Path) -> Path:
    return folder / stage.key / ("encoder.pt" if stage.kind == "pre-training" else "checkpoint.pt")
