"""Whole trainings and their comparison, for the tests beside this file."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.evaluation.observer import Observer
from codim.metrics import EpochMetrics
from codim.training.loop import run_epochs
from codim.training.state import TrainState


def train(
    config: TrainConfig, data: TrainingData, state: TrainState | None = None, observer: Observer | None = None
) -> tuple[list[EpochMetrics], TrainState]:
    """A whole training, or the rest of one."""
    state = state or TrainState.create(config, data)
    rows = []
    for metrics in run_epochs(config, data, state):
        rows.append(metrics)
        if observer and state.evaluation is not None:
            observer.measure(state.networks, state.evaluation, state.divisions)
    return rows, state


def timeless(rows: list[EpochMetrics]) -> list[str]:
    """Exact values of all metrics but the wall time; text, because NaN differs from itself."""
    return [repr(replace(row, seconds=0.0)) for row in rows]


def weights(state: TrainState) -> Iterator[torch.Tensor]:
    for net in state.networks:
        yield from net.state_dict().values()


def same_weights(a: TrainState, b: TrainState) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))
