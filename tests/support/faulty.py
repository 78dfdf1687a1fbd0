"""Studies of simulated trainings on a cluster whose parts die, and what must be left of them."""

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import ray  # noqa: F401  puts its own psutil on the path
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from tests.support import simulated
from tests.support.heads import ray_process
from tests.support.studies import HERE, Head, Host

DRIVE = """
import sys
from pathlib import Path
from codim.config.budget import Speed
from tests.support import simulated
import study.driver.run_study, study.ray_cluster.head_watch, study.ray_cluster.nodes
import study.results.remote, study.results.object_storage
from study.driver.run_study import run_study
from study.run import Arguments, main
study.ray_cluster.nodes.measured_speed = lambda *_: Speed(1, 1, 1, 1)
study.ray_cluster.nodes.require_able = lambda *_: None
study.ray_cluster.head_watch.PATIENCE_SECONDS = 3
study.driver.run_study.WORKER_FAILURES = 1
run_study.__defaults__ = (getattr(simulated, sys.argv[4]), None)
simulated.set_back_clock_once(Path(sys.argv[2], "set-back"))
study.results.remote.LEASE_SECONDS = 5
study.results.remote.SEND_SECONDS = 1
study.results.object_storage.ATTEMPTS = 3
sys.exit(main(Arguments(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
"""
"""The command line, but that trials are simulated and nodes are taken for able."""


NO_STAGE = {
    "fixed__method": "dividemix",
    "fixed__pretrain": {"epochs": 0},
    "fixed__warmup": {"epochs": 1, "seed": None},
    "baselines": {},
}
"""No stage is shared, so that a driver begins with its trials."""


def start(file: Path, folder: ResultsFolder, head: Head, train: str = "slow") -> "subprocess.Popen[str]":
    arguments = [str(file), str(folder.root.parent), head.address, train]
    command = [*head.host.inside, sys.executable, "-c", DRIVE, *arguments]
    return subprocess.Popen(command, env=head.environment, stderr=subprocess.PIPE, text=True)


def finished(folder: ResultsFolder) -> dict[str, TrialRecord]:
    """Trials that have ended, without what the study makes of all of them together, and sets at the end of the
    search."""
    ended = [record for record in folder.read_trials() if record.status != "running"]
    return {record.trial: replace(record, consensus=0.0, consensus_error=0.0, value=0.0) for record in ended}


def told(folder: ResultsFolder) -> dict[str, Counter[str]]:
    """States of a trial's attempts, as Optuna knows them."""
    storage, states = JournalStorage(JournalFileBackend(str(folder.journal))), defaultdict[str, Counter[str]](Counter)
    for name in optuna.get_all_study_names(storage):
        for trial in optuna.load_study(study_name=name, storage=storage).trials:
            cause = trial.user_attrs.get("cause", "")
            states[trial.user_attrs.get("trial", "")][f"{trial.state.name} {cause}".strip()] += 1
    return dict(states)


def assert_whole(folder: ResultsFolder, trials: int) -> None:
    """Each trial once in the tables, complete, with each epoch once; each once complete in Optuna."""
    records = folder.read_trials()
    assert len(records) == len({record.trial for record in records}) == trials
    assert {record.status for record in records} == {"complete"}
    for record in records:
        assert [row["epoch"] for row in folder.read_epochs(record.trial)] == list(range(simulated.EPOCHS))
    states = told(folder)
    states.pop("", None)  # killed between the question and the name
    assert states.keys() == {record.trial for record in records}
    for attempts in states.values():
        assert attempts.pop("COMPLETE") == 1
        assert set(attempts) <= {"FAIL interrupted"}
    assert not any(folder.ray.glob("trials/*/checkpoint.pt"))


@contextmanager
def node(head: Head, log: Path, host: Host = HERE) -> Iterator["subprocess.Popen[Any]"]:
    """One more, of two CPUs, that joins the cluster."""
    command = [*host.inside, *head.start, *host.options, f"--address={head.address}"]
    with ray_process(command, head.environment, log, r"(Ray runtime started)") as (process, _):
        yield process


def trials_on(joined: "subprocess.Popen[Any]", folder: ResultsFolder) -> set[str]:
    """Those that have trained an epoch in a process of that node."""
    import psutil

    own = {process.pid for process in psutil.Process(joined.pid).children(recursive=True)}
    log = folder.ray / "epochs.log"
    noted = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return {trial for trial, _, pid in noted if int(pid) in own}
