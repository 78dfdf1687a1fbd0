"""Cost of the driver: simulated trials over 8 conditions, in this project, in plain Ray Tune with OptunaSearch, and in
bare Optuna, all on the same curves. Bars: 0.35 s a trial on 2 cores, the last hundred trials at most 1.5 times as slow
as the first.

The three run one after the other. Plain Tune and bare Optuna take one condition after the other, since neither knows of
conditions; Tune reuses its actors, as the study does. A trial's time is wall time over trials; the start of Ray and of
its first workers is in "all of it" and not in the hundreds, which lie between the ends of trials. At last the study is
made one trial a condition longer, in a new process: how long until the first of them has ended, Ray's start left out?

Usage: python benchmarks/simulated_study.py [--trials 1000] [--only study]
"""

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

ROOT = str(Path(__file__).parents[1])
os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")])  # for Ray's workers
sys.path.insert(0, ROOT)

import optuna  # noqa: E402
import tyro  # noqa: E402
from kept import Bar, judge, keep  # noqa: E402
from optuna.storages import JournalStorage  # noqa: E402
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.schedulers import ASHAScheduler  # noqa: E402
from ray.tune.search.optuna import OptunaSearch  # noqa: E402

from study.driver.run_study import run_study  # noqa: E402
from study.monitor.console import Progress  # noqa: E402
from study.plan.plan import Plan, load_plan  # noqa: E402
from study.ray_cluster.connection import connected  # noqa: E402
from study.results.folder import ResultsFolder  # noqa: E402
from study.worker.job import Job  # noqa: E402
from tests.support import simulated  # noqa: E402

RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SAMPLES, MIN_BUDGET = 8000, 4000
STAGES = 2624
"""Samples of pre-training and warm-up, which the study's pruner does not count."""
STUDY = f"""
name: simulated
fixed: {{train: {{samples: {SAMPLES}}}, pretrain: {{epochs: 1}}, warmup: {{epochs: 1}}, mixmatch: {{rampup_epochs: 1}}}}
conditions: [{", ".join(f"{{kind: symmetric, rate: {rate}}}" for rate in RATES)}]
space: {{mixmatch/lambda_u: {{type: float, low: 1, high: 100, log: true}}}}
pruner: {{kind: successive_halving, min_budget: {MIN_BUDGET}}}
sampler: SAMPLER
budget: {{trials_per_condition: TRIALS}}
"""

SAMPLERS = {"tpe": "{kind: tpe}", "joint": "{kind: joint, startup: 4}"}
"""As in search_spaces/."""


@dataclass(frozen=True)
class Arguments:
    """Cost of a trial in the driver, beside plain Ray Tune and bare Optuna."""

    trials: int = 1000
    """Over all 8 conditions."""
    only: Literal["all", "study"] = "all"
    """study: leave the other two out, whose time grows too."""
    sampler: Literal["tpe", "joint"] = "tpe"
    """Sampler of the study; the other two search by TPE."""


@dataclass(frozen=True)
class Run:
    """One way to run the trials."""

    name: str
    seconds: float
    """All of it."""
    ends: list[float]
    """When each trial ended, in seconds since the start, sorted."""

    @property
    def trial(self) -> float:
        return self.seconds / len(self.ends)

    def hundred(self, last: bool) -> float:
        """Seconds a trial, between the ends of the first or last hundred."""
        ends = self.ends[-100:] if last else self.ends[:100]
        return (ends[-1] - ends[0]) / (len(ends) - 1)


def job(rate: float, lambda_u: float) -> Job:
    config = {"noise": {"rate": rate}, "mixmatch": {"lambda_u": lambda_u}, "train": {"samples": SAMPLES}}
    return Job("", config, "", "", 1, 0)


def plan_of(folder: Path, trials: int, sampler: str) -> Plan:
    """The study, with so many trials a condition."""
    (folder / "study.yaml").write_text(STUDY.replace("TRIALS", str(trials)).replace("SAMPLER", SAMPLERS[sampler]))
    return load_plan(folder / "study.yaml")


def study(folder: Path, trials: int, sampler: str) -> Run:
    """This project's driver."""
    plan = plan_of(folder, trials // len(RATES), sampler)
    results = ResultsFolder(folder / "results")
    results.root.mkdir()
    began, started = time.time(), time.perf_counter()
    with connected(None, cpus=2, gpus=0):
        assert run_study(plan, results, Progress(plan), simulated.curve)
    seconds = time.perf_counter() - started
    ends = sorted(record.ended.timestamp() - began for record in results.read_trials() if record.ended)
    assert len(ends) == plan.trials
    return Run("this project", seconds, ends)


def resume(folder: Path, trials: int, sampler: str) -> float:
    """Seconds from the start of a driver, Ray already there, on a study with so many finished trials to the end of the
    next one."""
    plan, results = plan_of(folder, trials // len(RATES) + 1, sampler), ResultsFolder(folder / "results")
    known = {record.trial for record in results.read_trials()}
    with connected(None, cpus=2, gpus=0):
        started = time.time()
        assert run_study(plan, results, Progress(plan), simulated.curve)
    ends = [r.ended.timestamp() for r in results.read_trials() if r.ended and r.trial not in known]
    assert len(ends) == len(RATES)
    return min(ends) - started


def plain_tune(folder: Path, trials: int) -> Run:
    """Ray Tune as its documentation has it: OptunaSearch and ASHA."""

    def trainable(config: dict[str, Any]) -> None:
        for row in simulated.curve(job(config["rate"], config["lambda_u"])):
            tune.report({"val_acc": row["val_acc"], "samples": row["samples"]})

    started, ends = time.perf_counter(), []

    class Clock(tune.Callback):
        def on_trial_complete(self, *_: object, **__: object) -> None:
            ends.append(time.perf_counter() - started)

    with connected(None, cpus=2, gpus=0):
        for rate in RATES:
            tune.Tuner(
                tune.with_resources(trainable, {"cpu": 1}),
                param_space={"rate": rate, "lambda_u": tune.loguniform(1, 100)},
                tune_config=tune.TuneConfig(
                    metric="val_acc",
                    mode="max",
                    search_alg=OptunaSearch(seed=0),
                    scheduler=ASHAScheduler("samples", max_t=SAMPLES, grace_period=MIN_BUDGET, reduction_factor=3),
                    num_samples=trials // len(RATES),
                    max_concurrent_trials=2,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name=f"rate-{rate}", storage_path=str(folder), callbacks=[Clock()], verbose=0
                ),
            ).fit()
    return Run("plain Ray Tune + OptunaSearch", time.perf_counter() - started, sorted(ends))


def bare_optuna(folder: Path, trials: int) -> Run:
    """Optuna's loop in one process, with the study's sampler, pruner and storage."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = str(folder / "journal")
    storage = JournalStorage(JournalFileBackend(journal, JournalFileOpenLock(journal)))
    started, ends = time.perf_counter(), []
    for rate in RATES:

        def objective(trial: optuna.Trial, rate: float = rate) -> float:
            for row in simulated.curve(job(rate, trial.suggest_float("lambda_u", 1, 100, log=True))):
                trial.report(row["val_acc"], max(row["samples"] - STAGES, 0))
                if trial.should_prune():
                    raise optuna.TrialPruned
            return float(row["val_acc"])

        optuna.create_study(
            study_name=str(rate),
            storage=storage,
            direction="maximize",
            sampler=optuna.samplers.TPESampler(multivariate=True, seed=0),
            pruner=optuna.pruners.SuccessiveHalvingPruner(MIN_BUDGET - STAGES, 3),
        ).optimize(objective, trials // len(RATES), callbacks=[lambda *_: ends.append(time.perf_counter() - started)])
    return Run("bare Optuna", time.perf_counter() - started, ends)


def gib() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(arguments: Arguments) -> None:
    rivals: list[Callable[[Path, int], Run]] = [plain_tune, bare_optuna] if arguments.only == "all" else []
    load, runs = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as scratch:
        runs.append(study(Path(scratch), arguments.trials, arguments.sampler))
        memory = gib()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            again = process.submit(resume, Path(scratch), arguments.trials, arguments.sampler).result()
    for way in rivals:
        with tempfile.TemporaryDirectory() as scratch:
            runs.append(way(Path(scratch), arguments.trials))
    for run in runs:
        print(f"{run.name}: {run.trial:.3f} s a trial", flush=True)
    lines = [
        f"{len(runs[0].ends)} trials over {len(RATES)} conditions, 2 at a time, 8 epochs each; load {load:.1f} before",
        "",
        "| | s a trial, all of it | first hundred | last hundred | last over first |",
        "|---|---|---|---|---|",
    ]
    for run in runs:
        first, last = run.hundred(False), run.hundred(True)
        lines.append(f"| {run.name} | {run.trial:.3f} | {first:.3f} | {last:.3f} | {last / first:.2f} |")
    versions = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna"))
    lines += [
        "",
        f"peak memory of the study's driver: {memory:.2f} GiB; going on after {arguments.trials} trials, to the end of "
        f"the next one: {again:.1f} s; {versions}",
    ]
    numbers = {
        run.name: {
            "trials": len(run.ends),
            "seconds_per_trial": run.trial,
            "first_hundred": run.hundred(False),
            "last_hundred": run.hundred(True),
        }
        for run in runs
    }
    content = {"load_before": load, "driver_gib": memory, "resume_seconds": again, "runs": numbers}
    keep(f"simulated_study-{arguments.trials}" + "-joint" * (arguments.sampler == "joint"), "\n".join(lines), content)
    own = runs[0]
    growth = own.hundred(True) / own.hundred(False)
    judge(
        [
            Bar("a trial", f"{own.trial:.3f} s", "<= 0.35 s", own.trial <= 0.35),
            Bar("last hundred over first", f"{growth:.2f}", "<= 1.5", growth <= 1.5),
        ]
    )


if __name__ == "__main__":
    main(tyro.cli(Arguments))
