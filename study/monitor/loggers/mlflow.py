"""Logger for MLflow."""

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from study.monitor.loggers.base import Values
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord


class MLflow:
    """One MLflow run per trial, in the experiment named after the study, at MLFLOW_TRACKING_URI."""

    def __init__(self, study: str, folder: ResultsFolder, record: TrialRecord, row: Mapping[str, Any]) -> None:
        # With the defaults, a call to a server that does not answer blocks the study for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient

        self._client = MlflowClient()
        known = self._client.get_experiment_by_name(study)
        experiment = known.experiment_id if known else self._client.create_experiment(study)
        # A results folder identifies a study; another study of the same name has separate runs.
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


_MLFLOW_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
