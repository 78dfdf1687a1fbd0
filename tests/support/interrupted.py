"""A study as the command line runs it, and how far it is."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.results.folder import ResultsFolder
from tests.support import ROOT

RUN = ROOT / "study" / "run.py"


def start(file: Path, results: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, str(RUN), "--space", str(file), "--results", str(results)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def left(folder: ResultsFolder) -> set[str]:
    """Trials that have left a checkpoint."""
    return {path.parent.name for path in folder.ray.glob("trials/*/checkpoint.pt")}


def under_way(folder: ResultsFolder, finished: int) -> Callable[[], bool]:
    """Whether so many trials have ended, and one that runs has left a checkpoint."""

    def happened() -> bool:
        ended = {record.trial for record in folder.read_trials() if record.status != "running"}
        return bool(left(folder) - ended) and len(ended) >= finished

    return happened


def told(folder: ResultsFolder) -> Counter[str]:
    """Complete Optuna trials by the record that they stand for."""
    storage = JournalStorage(JournalFileBackend(str(folder.journal)))
    studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    trials = [trial for study in studies for trial in study.trials]
    assert {trial.state.name for trial in trials} == {"COMPLETE", "FAIL"}
    assert all(trial.user_attrs["cause"] == "interrupted" for trial in trials if trial.state.name == "FAIL")
    return Counter(t.user_attrs["trial"] for t in trials if t.state.name == "COMPLETE" and "trial" in t.user_attrs)
