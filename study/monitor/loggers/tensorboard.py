"""Logger for TensorBoard."""

from collections.abc import Mapping
from typing import Any

from study.monitor.loggers.base import Values
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord


class TensorBoard:
    """TensorBoard event files of a trial, in tensorboard/<trial> of the results folder; steps are samples."""

    def __init__(self, study: str, folder: ResultsFolder, record: TrialRecord, row: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Hide what an earlier driver wrote from this step on: it is reported again.
        self._writer = SummaryWriter(folder.root / "tensorboard" / record.trial, purge_step=row["samples"])
        self.last_epoch = -1

    def log(self, epoch: int, samples: int, values: Values) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, samples)
        self._writer.flush()

    def end(self, record: TrialRecord) -> None:
        parameters = {**record.params, "condition": record.condition, "method": record.baseline or "search"}
        self._writer.add_hparams(parameters, {"objective": record.objective}, run_name=".")
        self._writer.close()
