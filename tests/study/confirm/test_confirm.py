"""The second phase through real Ray: what it trains, that it can be killed, and that it leaves the search alone."""

import contextlib
import math
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ray

from analysis.frames.load import load_trials
from codim.config.train_config import TrainConfig
from study.confirm.choice import trial_values
from study.confirm.confirm import FRESH_SEEDS, Confirm, wanted
from study.driver.run_study import run_study
from study.monitor.console import Progress
from study.plan.plan import load_plan
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.run import Arguments, main
from study.worker.job import Job
from study.worker.trainable import train
from tests.support import found, simulated
from tests.support.studies import WriteStudy
from tests.support.waits import until

CONFIRM = {"top_k": 1, "seeds": 2}


def of(phase: str, folder: ResultsFolder) -> dict[str, TrialRecord]:
    return {record.trial: record for record in folder.read_trials() if record.phase == phase}


def told(records: Iterable[TrialRecord]) -> list[str]:
    """All that they say; text, because NaN differs from itself."""
    return [repr(record) for record in records]


@pytest.mark.usefixtures("local_ray")
def test_confirms_what_the_search_chose(write_study: WriteStudy, tmp_path: Path) -> None:
    plan = load_plan(write_study(confirm=CONFIRM, budget__trials_per_condition=5))
    folder = ResultsFolder(tmp_path / "results")
    folder.root.mkdir()
    assert run_study(plan, folder, Progress(plan), simulated.curve, "search")
    search = of("search", folder)
    assert len(search) == len(folder.read_trials()) == plan.trials

    assert run_study(plan, folder, Progress(plan), simulated.curve)
    assert told(of("search", folder).values()) == told(search.values())
    confirmed = of("confirm", folder)
    assert {*confirmed} == {training.trial for training in wanted(plan, search)}
    for record in confirmed.values():
        assert (record.status, record.epochs) == ("complete", simulated.EPOCHS)
        assert record.samples == record.budget == search[record.setting].budget
        assert record.params == search[record.setting].params
        assert math.isnan(record.objective)  # no validation part, so no objective
        last = [row["oracle_test_acc"] for row in folder.read_epochs(record.trial)][-5:]
        assert record.oracle_test_acc == pytest.approx(sum(last) / 5)
        assert record.seed >= FRESH_SEEDS
    rates = {(r.condition, r.trial[-1]): r.oracle_noise_rate for r in confirmed.values()}
    assert len(set(rates.values())) == len(rates) == 4  # of each draw its own, told to nobody but the observer

    table = told(folder.read_trials())
    more = load_plan(write_study(confirm=CONFIRM | {"seeds": 3}, budget__trials_per_condition=5))
    assert run_study(more, folder, Progress(more), simulated.curve, "confirm")
    assert set(told(folder.read_trials())) > set(table)
    assert len(of("confirm", folder)) == len(confirmed) * 3 // 2
    assert Confirm(more, {record.trial: record for record in folder.read_trials()}).ask() is None
    assert len(load_trials(folder.root).trials) == len(search)


@pytest.mark.usefixtures("local_ray")
def test_settings_that_vary_get_further_seeds(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_study(confirm=CONFIRM | {"most_seeds": 4}, budget__trials_per_condition=2)
    plan, folder = load_plan(file), ResultsFolder(tmp_path / "results")
    folder.root.mkdir()
    assert run_study(plan, folder, Progress(plan), simulated.lucky)
    confirmed = of("confirm", folder)
    repeats = Counter((record.condition, record.setting) for record in confirmed.values())
    assert {*repeats.values()} == {4}
    assert f"{len(confirmed) // 2} more trainings to confirm" in " ".join(capsys.readouterr().err.split())

    first = {name: record for name, record in confirmed.items() if name.endswith(("-r0", "-r1"))}
    search = of("search", folder)
    assert {training.trial for training in wanted(plan, search | first)} == {*confirmed}
    one, *_ = first
    first[one] = replace(first[one], status="running")  # its condition waits, the other does not
    assert len(wanted(plan, search | first)) == len(confirmed) * 3 // 4
    assert Confirm(plan, search | confirmed).trials == len(confirmed)


DRIVER = """
import sys
from pathlib import Path
from tests.support import simulated
from study.ray_cluster.connection import connected
from study.driver.run_study import run_study
from study.plan.plan import load_plan
from study.monitor.console import Progress
from study.results.folder import ResultsFolder
plan = load_plan(Path(sys.argv[1]))
with connected(None, cpus=2, gpus=0):
    run_study(plan, ResultsFolder(sys.argv[2]), Progress(plan), simulated.slow, "confirm")
"""


def ended(folder: ResultsFolder) -> dict[str, TrialRecord]:
    return {name: record for name, record in of("confirm", folder).items() if record.status == "complete"}


def left(folder: ResultsFolder) -> dict[str, int]:
    """Epochs done, by trial, of those that have left a checkpoint."""
    found = {}
    for path in folder.ray.glob("trials/*/checkpoint.pt"):
        with contextlib.suppress(FileNotFoundError):  # its trial has ended
            found[path.parent.name] = int(path.read_text())
    return found


@pytest.mark.usefixtures("local_ray")
def test_killed_it_goes_on_from_its_checkpoints(write_study: WriteStudy, tmp_path: Path) -> None:
    file = write_study(confirm=CONFIRM)
    plan = load_plan(file)
    folder = ResultsFolder(tmp_path / "results")
    records = found.search(plan)
    values = trial_values(plan, records)  # as a search leaves them at its end
    folder.write_trials([replace(record, value=values.get(record.trial, math.nan)) for record in records])
    search = of("search", folder)

    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(file), str(folder.root)], stderr=subprocess.DEVNULL)
    under_way = range(3, simulated.EPOCHS - 1)
    until(lambda: any(epochs in under_way for epochs in left(folder).values()) and ended(folder), driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    until(lambda: ray.available_resources().get("CPU") == 2)  # its workers end with it
    trained = Counter(line.split()[0] for line in (folder.ray / "epochs.log").read_text().splitlines())
    complete = ended(folder)
    interrupted = left(folder).keys() - complete.keys()
    assert complete
    assert interrupted

    assert run_study(plan, folder, Progress(plan), simulated.slow, "confirm")
    after = of("confirm", folder)
    assert told(of("search", folder).values()) == told(search.values())
    assert {*after} == {training.trial for training in wanted(plan, search)}
    assert len(folder.read_trials()) == len(search) + len(after)
    assert set(told(after.values())) > set(told(complete.values()))
    assert {record.status for record in after.values()} == {"complete"}
    for name in after:
        assert [row["epoch"] for row in folder.read_epochs(name)] == list(range(simulated.EPOCHS))
    total = Counter(line.split()[0] for line in (folder.ray / "epochs.log").read_text().splitlines())
    assert all(total[name] <= simulated.EPOCHS + 1 for name in after)  # at most the epoch that the kill cut short
    assert any(trained[name] >= 3 for name in interrupted)
    assert not any(folder.ray.glob("trials/*/checkpoint.pt"))


def test_an_open_confirmation_ends_although_the_choice_has_changed(write_study: WriteStudy) -> None:
    plan = load_plan(write_study(confirm=CONFIRM))
    name, setting = "symmetric-0.5-0004@symmetric-0.5-r0", "symmetric-0.5-0004"
    record = found.searched(plan, 4, 0, 2.0, trial=name, status="running", phase="confirm", setting=setting)
    confirm = Confirm(plan, {name: record})
    attempt = confirm.ask()
    assert attempt
    assert (attempt.trial, attempt.setting) == (name, setting)
    assert attempt.config.model_dump(mode="json") == record.config
    assert confirm.ask() is None
    assert confirm.trials == 1


def test_training_on_all_images(write_study: WriteStudy, tmp_path: Path) -> None:
    """A real one, on the digits: no image is held out, and none gives an objective."""
    plan = load_plan(write_study(confirm=CONFIRM))
    record = found.searched(plan, 1, 0, 5.0)
    attempt = Confirm(plan, {record.trial: record}).ask()
    assert attempt
    job = Job(attempt.trial, attempt.config.model_dump(mode="json"), str(tmp_path / "t"), str(tmp_path), 1, 1e9)
    for row in train(job):
        assert Confirm(plan, {}).report(attempt, row)
        assert math.isnan(row["val_acc"])
    assert 0 < row["oracle_test_acc"] <= 1
    assert (attempt.outcome().status, attempt.phase) == ("complete", "confirm")
    assert attempt.data.noise_rate != plan.data["symmetric-0.5"].noise_rate
    assert TrainConfig.model_validate(job.config) == attempt.config


def test_older_tables_have_no_phase(write_study: WriteStudy, tmp_path: Path) -> None:
    records = found.search(load_plan(write_study()))
    folder = ResultsFolder(tmp_path / "results")
    folder.write_trials(records)
    pq.write_table(pq.read_table(folder.trials).drop_columns(["phase", "setting"]), folder.trials)
    assert told(folder.read_trials()) == told(records)
    trials = load_trials(folder.root)
    assert len(trials.trials) == len(records)
    assert trials.confirmations.empty


def test_nothing_to_confirm(write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_study(confirm={"top_k": 2})
    assert main(Arguments(file, tmp_path / "results", phase="confirm")) == 2
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "confirm" in text)
    assert f"{file}:{line}: confirm -> seeds: 0 confirms nothing" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
