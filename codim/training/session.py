"""Session: one training with its data, its observer and its checkpoints, the same wherever it runs.

Order of calls: `Session.load`, or the constructor for data at hand; `resume` or `start`, or a `state` from elsewhere;
then `epochs`, with `save` between two of them; at the end `predict` and `scorecard`.
"""

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from codim.config.train_config import TrainConfig
from codim.data.feature_views import fitted_augmenter
from codim.data.load import TrainingData, Truth, load_data
from codim.evaluation.evaluate import NAN
from codim.evaluation.label_audit import label_audit
from codim.evaluation.observer import Observer
from codim.evaluation.predict import predict
from codim.evaluation.scorecard import scorecard
from codim.evaluation.scores import Scores
from codim.metrics import OracleMetrics
from codim.runtime.device import torch_device
from codim.training.checkpoint import (
    InputSpec,
    Trained,
    has_checkpoint,
    load_checkpoint,
    save_checkpoint,
    trained_networks,
)
from codim.training.loop import run_epochs
from codim.training.state import TrainState

Row = dict[str, Any]
"""The fields of EpochMetrics and OracleMetrics."""
_UNKNOWN: Row = {field.name: NAN if field.type is float else [] for field in fields(OracleMetrics)}


class Session:
    """One training. With several workers each has its own Session, and all see the same rows and state.

    Example:
        >>> import codim
        >>> session = codim.Session.load(codim.train_config({"method": "ce", "train": {"samples": 6000}}))
        >>> session.start()
        >>> rows = list(session.epochs())
        >>> session.predict().shape  # both networks, images, classes
        torch.Size([2, 1347, 10])
        >>> rows[-1]["samples"] >= 6000
        True
    """

    state: TrainState

    def __init__(self, config: TrainConfig, data: TrainingData, truth: Truth | None = None) -> None:
        """`truth`: true labels and test images for the observer; without it the fields of OracleMetrics are unknown."""
        self.config, self.data, self.truth = config, data, truth
        self.augmenter = fitted_augmenter(config, data.images)
        self._observer = None if truth is None else Observer(data, truth, self.augmenter)
        self._input = InputSpec.of(data, self.augmenter)

    @classmethod
    def load(cls, config: TrainConfig) -> "Session":
        """Load the data that `config` names onto its device. Raises ValueError as `load_data`."""
        return cls(config, *load_data(config.data, config.noise, torch_device(config.train.device)))

    def start(self, pretrained: dict[str, Tensor] | None = None) -> None:
        """Start a training; after stage 0 if its result (PretrainState.result) is given."""
        self.state = TrainState.create(self.config, self.data, pretrained)

    def resume(self, checkpoint: Path) -> bool:
        """Resume from a checkpoint; return False if there is none. Raises ValueError as `load_checkpoint`."""
        if not has_checkpoint(checkpoint):
            return False
        self.state = load_checkpoint(checkpoint, self.config, self.data)
        return True

    def save(self, checkpoint: Path) -> None:
        """Make `checkpoint` the newest one; the previous one is kept beside it."""
        save_checkpoint(checkpoint, self.config, self.state, self._input)

    def trained(self) -> Trained:
        """Return copies of the networks on the CPU, with all that predicting needs, and no data."""
        return trained_networks(self.config, self.state, self._input)

    def epochs(self) -> Iterator[Row]:
        """Train until the budget is drawn; yield a row after each epoch. Raises as `run_epochs`."""
        for metrics in run_epochs(self.config, self.data, self.state):
            seen, oracle = self.state.evaluation, _UNKNOWN
            if seen is not None and self._observer is not None:
                oracle = asdict(self._observer.measure(self.state.networks, seen, self.state.divisions))
            yield asdict(metrics) | oracle

    def predict(self, index: Tensor | None = None) -> Tensor:
        """Return the logits (2, N, K) of both networks for all images, or for those of `index`."""
        return predict(self.state.networks, self.data.images, self.augmenter, index)

    def label_audit(self, logits: Tensor) -> pa.Table:
        """Return the audit table (codim/evaluation/label_audit.py); `logits` as `predict` returns them for all
        images."""
        return label_audit(self.data, logits, self.config.divide, self.state.statistics)

    def scorecard(self, logits: Tensor) -> Scores:
        """Return the content of evaluation.json; `logits` as `predict` returns them for all images."""
        assert self.truth is not None
        average, averaged = self.state.average, None
        if average is not None and average.started:
            averaged = average.networks(self.data.images, self.data.train_index, self.augmenter)
        networks, divisions = self.state.networks, self.state.divisions
        return scorecard(self.data, self.truth, networks, logits, divisions, self.augmenter, averaged)
