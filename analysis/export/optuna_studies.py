"""Export of the search's trials as Optuna studies, for its dashboard, its plots, or a search that continues elsewhere.

They are copies of the tables. The study's own Optuna journal has other numbers: its pruner sees running means, it
counts samples after the stages only, and its axis of a setting with an explicit 0 is extended below `low`
(study/search/distributions.py).
"""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from analysis.frames.load import Trials
from analysis.frames.settings import Point, points, searched_settings

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
}
ATTRIBUTES = (
    "trial",
    "baseline",
    "cause",
    "seed",
    "budget",
    "samples",
    "seconds",
    "oracle_test_acc",
    "oracle_test_acc_best",
    "oracle_noise_rate",
)
"""Columns of the table of trials that become user attributes, besides every `param/<module>/<setting>`."""


def write_optuna(trials: Trials, path: Path) -> str:
    """Write one study per condition, "<study> <condition>". ValueError: a name is taken, or the file is of another
    format."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = _storage(path)
        names = {condition: f"{trials.name} {condition}" for condition in trials.conditions}
        if taken := set(names.values()) & set(optuna.get_all_study_names(storage)):
            raise ValueError(f"{path} has an Optuna study {min(taken)!r} already; give another --output")
        objective = trials.spec.get("objective", {})
        maximize, minimize = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
        directions = [maximize, minimize] if objective.get("cost") else [maximize]
        for condition, name in names.items():
            study = optuna.create_study(study_name=name, storage=storage, directions=directions)
            study.add_trials(_trials(trials, condition))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return f"{len(trials.trials)} trials in {len(names)} Optuna studies"


def _storage(path: Path) -> RDBStorage | JournalStorage:
    with path.open("ab"):  # gives a short error for an unwritable file
        pass
    if path.suffix == ".journal":
        return JournalStorage(JournalFileBackend(str(path)))
    try:
        return RDBStorage(f"sqlite:///{path.resolve()}")
    except (SQLAlchemyError, RuntimeError, optuna.exceptions.OptunaError) as error:
        raise ValueError(f"{path} is not an SQLite file of this version of Optuna; give another --output") from error


def _trials(trials: Trials, condition: str) -> list[FrozenTrial]:
    frame = trials.trials[trials.trials["condition"] == condition]
    settings = searched_settings(trials.spec)
    inside = frame.assign(**{s.column: s.values(frame).where(s.allows(frame)) for s in settings})
    objective = trials.spec.get("objective", {})
    curves = trials.epochs[["trial", "samples", objective.get("metric", "val_acc")]].dropna()
    of_trial = dict(iter(curves.groupby("trial")))
    return [
        _trial(row, point, of_trial.get(row["trial"]), bool(objective.get("cost")))
        for row, point in zip(frame.to_dict("records"), points(inside, settings), strict=True)
    ]


def _trial(row: Mapping[Hashable, Any], point: Point, curve: pd.DataFrame | None, cost: bool) -> FrozenTrial:
    params, distributions = point
    known = row["status"] in ("complete", "pruned") and pd.notna(row["objective"])
    trial = create_trial(
        state=STATES[row["status"]],
        values=([row["objective"], row["seconds"]] if cost else [row["objective"]]) if known else None,
        params=params,
        distributions=distributions,
        user_attrs=_attributes(row),
        intermediate_values={} if curve is None else dict(zip(curve.iloc[:, 1], curve.iloc[:, 2], strict=True)),
        constraints=json.loads(row["constraints"]),
    )
    trial.datetime_start = _local(row["started"])
    trial.datetime_complete = _local(row["ended"])
    return trial


def _attributes(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    settings = [str(name) for name in row if str(name).startswith("param/")]
    # JSON has no NaN.
    return {name: row[name] for name in (*ATTRIBUTES, *settings) if pd.notna(row[name])}


def _local(time: pd.Timestamp) -> Any:
    """Convert to local time without a zone, as Optuna stores it."""
    return None if pd.isna(time) else time.to_pydatetime().astimezone().replace(tzinfo=None)
