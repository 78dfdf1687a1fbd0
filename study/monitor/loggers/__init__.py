"""Log epochs, as they are reported, to TensorBoard, MLflow or Weights & Biases (`loggers` in the study file).

The driver logs, since it receives every epoch of every trial from all nodes. The study's own tables do not depend on
loggers: one that fails is left out from then on, with a warning.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Any, get_args

from study.errors import SpecError
from study.monitor.loggers.base import Run, values_of
from study.monitor.loggers.mlflow import MLflow
from study.monitor.loggers.tensorboard import TensorBoard
from study.monitor.loggers.wandb import WeightsAndBiases
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.spec.sections import LoggerName


def require_installed(names: Iterable[LoggerName]) -> None:
    """Check that the packages of these loggers are installed. Raises SpecError if one is missing."""
    for name in names:
        if find_spec(name) is None:
            raise SpecError(f"loggers: {name} is not installed; `pip install {name}`, or leave it out")


class Loggers:
    """All loggers of a study. Only one driver may use them at a time."""

    def __init__(
        self, names: Iterable[LoggerName], study: str, folder: ResultsFolder, warn: Callable[[str], None]
    ) -> None:
        self.study, self.folder, self.warn = study, folder, warn
        self._names = list(names)
        self._runs: dict[tuple[LoggerName, str], Run] = {}

    def epoch(self, record: TrialRecord, row: Mapping[str, Any]) -> None:
        """Log an epoch of a running trial, unless it is already logged."""

        def log(name: LoggerName) -> None:
            run = self._run(name, record, row)
            if row["epoch"] > run.last_epoch:
                run.log(row["epoch"], row["samples"], values_of(row))
                run.last_epoch = row["epoch"]

        self._each(log)

    def end(self, record: TrialRecord) -> None:
        """End the runs of a trial, whatever its outcome."""

        def end(name: LoggerName) -> None:
            if run := self._runs.pop((name, record.trial), None):
                run.end(record)

        self._each(end)

    def _run(self, name: LoggerName, record: TrialRecord, row: Mapping[str, Any]) -> Run:
        if (name, record.trial) not in self._runs:
            self._runs[name, record.trial] = _OPEN[name](self.study, self.folder, record, row)
        return self._runs[name, record.trial]

    def _each(self, act: Callable[[LoggerName], None]) -> None:
        for name in list(self._names):
            try:
                act(name)
            except Exception as error:
                self._names.remove(name)
                self.warn(f"warning: {name} is disabled from now on: {type(error).__name__}: {error}")


_OPEN: dict[LoggerName, Callable[[str, ResultsFolder, TrialRecord, Mapping[str, Any]], Run]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
assert set(_OPEN) == set(get_args(LoggerName))
