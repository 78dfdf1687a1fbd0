"""Export of the search's trials as MLflow runs, with the metric names of the study's own logger."""

import logging
from collections.abc import Hashable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from analysis.frames.load import Trials

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
TAGS = ("trial", "condition", "method", "status", "cause", "noise_kind", "noise_rate", "seed")
LAST = {
    "objective": "objective",
    "oracle_test_acc": "oracle/test_acc_last",
    "oracle_test_acc_best": "oracle/test_acc_best",
    "oracle_noise_rate": "oracle/noise_rate",
}
"""Columns of the table of trials -> metrics of the whole run."""
BATCH = 1000
"""Maximum number of metrics per call to MLflow."""


def write_mlflow(trials: Trials, path: Path) -> str:
    """Write one run per trial into an experiment named after the study. Raises ValueError: MLflow is not installed, the
    name is taken, or the file has another format."""
    if find_spec("mlflow") is None:
        raise ValueError("--to mlflow: mlflow is not installed; pip install 'codim-study[watch]'")
    from mlflow import MlflowClient, MlflowException

    logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)  # it logs every new file
    with path.open("ab"):  # MLflow retries for minutes if it cannot write a file
        pass
    try:
        client = MlflowClient(f"sqlite:///{path.resolve()}")
        known = client.get_experiment_by_name(trials.name)
    except (MlflowException, SQLAlchemyError) as error:
        raise ValueError(f"{path} is not an SQLite file of this version of MLflow; give another --output") from error
    if known:
        raise ValueError(f"{path} has an MLflow experiment {trials.name!r} already; give another --output")
    # The default location would be in the working directory.
    experiment = client.create_experiment(trials.name, (path.resolve().parent / "mlartifacts").as_uri())
    curves = dict(iter(_curves(trials.epochs).groupby("trial")))
    for row in trials.trials.to_dict("records"):
        _write_run(client, experiment, row, curves.get(row["trial"]))
    return f"{len(trials.trials)} runs in the MLflow experiment {trials.name!r}"


def _curves(epochs: pd.DataFrame) -> pd.DataFrame:
    """Reshape to one row per number: `trial`, `samples`, `ended` (seconds since the trial's start), `name`, `value`."""
    named = {
        column: f"oracle/{column.removeprefix('oracle_')}" if column.startswith("oracle_") else f"epoch/{column}"
        for column in epochs.select_dtypes("number").columns.drop(["epoch", "samples"])
    }
    base = epochs.assign(ended=epochs.groupby("trial")["seconds"].cumsum())
    long = base.rename(columns=named).melt(["trial", "samples", "ended"], list(named.values()), "name")
    return long.dropna(subset="value")


def _write_run(client: Any, experiment: str, row: Mapping[Hashable, Any], curve: pd.DataFrame | None) -> None:
    from mlflow.entities import Metric, Param

    started, ended = _milliseconds(row["started"]), _milliseconds(row["ended"])
    tags = {name: str(row[name]) for name in TAGS if pd.notna(row[name])}
    run = client.create_run(experiment, start_time=started, tags=tags, run_name=row["trial"]).info.run_id
    settings = {str(name).removeprefix("param/"): row[name] for name in row if str(name).startswith("param/")}
    client.log_batch(run, params=[Param(name, str(value)) for name, value in settings.items() if pd.notna(value)])
    metrics = [Metric(name, row[column], ended or 0, 0) for column, name in LAST.items() if pd.notna(row[column])]
    if curve is not None:
        times = (started or 0) + (curve["ended"] * 1000).astype("int64")
        numbers = zip(curve["name"], curve["value"], times, curve["samples"], strict=True)
        metrics += [Metric(*number) for number in numbers]
    for at in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[at : at + BATCH])
    if row["status"] in STATUS:
        client.set_terminated(run, STATUS[row["status"]], ended)


def _milliseconds(time: pd.Timestamp) -> int | None:
    """Convert to milliseconds since 1970; None for a missing time."""
    return None if pd.isna(time) else int(time.timestamp() * 1000)
