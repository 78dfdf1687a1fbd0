"""Epochs as they come, also to TensorBoard, MLflow or Weights & Biases where the study file asks for it (`loggers`).

From the driver, which hears every epoch of every trial, on whatever node it runs. The study's own tables do not depend
on them: one that fails is left out from then on, with a warning.
"""

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Any, Protocol, get_args

from study.records import ResultsFolder, TrialRecord
from study.source import SpecError
from study.spec import LoggerName

Values = dict[str, float]


class Run(Protocol):
    """One trial in one of them."""

    last_epoch: int
    """Epochs up to here are there already, from an earlier driver."""

    def log(self, epoch: int, samples: int, values: Values) -> None: ...

    def end(self, record: TrialRecord) -> None: ...


def require_installed(names: Iterable[LoggerName]) -> None:
    """Raises SpecError: a package is missing."""
    for name in names:
        if find_spec(name) is None:
            raise SpecError(f"loggers: {name} is not installed; `pip install {name}`, or leave it out")


class Loggers:
    """All that a study asks for. One driver at a time."""

    def __init__(
        self, names: Iterable[LoggerName], study: str, folder: ResultsFolder, warn: Callable[[str], None]
    ) -> None:
        self.study, self.folder, self.warn = study, folder, warn
        self._names = list(names)
        self._runs: dict[tuple[LoggerName, str], Run] = {}

    def epoch(self, record: TrialRecord, row: Mapping[str, Any]) -> None:
        """Of a trial under way; one that was logged already is passed over."""

        def log(name: LoggerName) -> None:
            run = self._run(name, record, row)
            if row["epoch"] > run.last_epoch:
                run.log(row["epoch"], row["samples"], values_of(row))
                run.last_epoch = row["epoch"]

        self._each(log)

    def end(self, record: TrialRecord) -> None:
        """Of a trial, whatever came of it."""

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
                self.warn(f"warning: {name} is left out from here on: {type(error).__name__}: {error}")


def values_of(row: Mapping[str, Any]) -> Values:
    """The numbers of an epoch, those that only an observer knows under a name of their own."""
    numbers = {k: float(v) for k, v in row.items() if isinstance(v, int | float) and k not in ("epoch", "samples")}
    return {
        f"oracle/{name.removeprefix('oracle_')}" if name.startswith("oracle_") else f"epoch/{name}": value
        for name, value in numbers.items()
        if math.isfinite(value)
    }


class TensorBoard:
    """Event files in tensorboard/<trial> of the results folder; steps are samples."""

    def __init__(self, study: str, folder: ResultsFolder, record: TrialRecord, row: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What an earlier driver wrote from this step on is hidden: it is heard again.
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


class MLflow:
    """A run for each trial in the experiment of the study's name; MLFLOW_TRACKING_URI says where."""

    def __init__(self, study: str, folder: ResultsFolder, record: TrialRecord, row: Mapping[str, Any]) -> None:
        # As they are, one call to a server that does not answer takes minutes, in which the study stands still.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient

        self._client = MlflowClient()
        known = self._client.get_experiment_by_name(study)
        experiment = known.experiment_id if known else self._client.create_experiment(study)
        # One folder of results is one study; another one of the same name has runs of its own.
        tags = {"trial": record.trial, "condition": record.condition, "results": folder.at()}
        where = " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())
        found = self._client.search_runs([experiment], where, max_results=1)
        run = found[0] if found else self._client.create_run(experiment, tags=tags, run_name=record.trial)
        self._id = run.info.run_id
        self.last_epoch = int(run.data.metrics.get("last_epoch", -1))
        if not found:
            for name, value in record.params.items():
                self._client.log_param(self._id, name, value)

    def log(self, epoch: int, samples: int, values: Values) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        rows = [Metric(name, value, now, samples) for name, value in (values | {"last_epoch": epoch}).items()]
        self._client.log_batch(self._id, metrics=rows)

    def end(self, record: TrialRecord) -> None:
        if math.isfinite(record.objective):
            self._client.log_metric(self._id, "objective", record.objective)
        self._client.set_terminated(self._id, _MLFLOW_STATUS[record.status])


class WeightsAndBiases:
    """A run for each trial in the project of the study's name; WANDB_MODE, WANDB_API_KEY and the others say where."""

    def __init__(self, study: str, folder: ResultsFolder, record: TrialRecord, row: Mapping[str, Any]) -> None:
        import wandb

        (folder.root / "wandb").mkdir(exist_ok=True)  # else wandb takes the working directory
        own = hashlib.sha256(folder.at().encode()).hexdigest()[:8]  # as for MLflow, of another study of that name
        self._run = wandb.init(
            project=study,
            id=f"{study}-{record.trial}-{own}",
            name=record.trial,
            group=record.condition,
            config=dict(record.params),
            dir=folder.root,
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.last_epoch = int(self._run.summary.get("last_epoch", -1))  # type: ignore[no-untyped-call]

    def log(self, epoch: int, samples: int, values: Values) -> None:
        self._run.log(values | {"last_epoch": epoch, "samples": samples}, step=epoch)

    def end(self, record: TrialRecord) -> None:
        self._run.summary["objective"] = record.objective
        self._run.finish(exit_code=1 if record.status == "failed" else 0)


_OPEN: dict[LoggerName, Callable[[str, ResultsFolder, TrialRecord, Mapping[str, Any]], Run]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
assert set(_OPEN) == set(get_args(LoggerName))
_MLFLOW_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
