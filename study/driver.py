"""The study itself: shared stages, then all trials under one Tuner. Ray is connected, and the results folder locked."""

import shutil
from collections.abc import Callable

import ray
from ray import tune

from study.cluster import node_resources
from study.plan import Plan
from study.preflight import concurrent_trials, threads
from study.progress import Progress
from study.recorder import Recorder
from study.records import ResultsFolder
from study.search import Attempt, Search
from study.stage_keys import shared_stages
from study.stages import compute_stage
from study.trainable import Job, Train, train, trainable
from study.tuning import ConditionSearcher, OptunaScheduler, Ticker
from study.workers import TRAIN_FILES, TRIAL_MEMORY, several_workers

TUNE_FILES = "tune"
"""Folder for what Tune itself writes, while it runs; nothing of it is read again."""
WORKER_FAILURES = 3
"""Lost workers that one trial survives."""


def run_study(plan: Plan, folder: ResultsFolder, progress: Progress, train: Train = train) -> bool:
    """Run what is left of a study. True: it is finished; False: it was interrupted, and the same call goes on.

    Args:
        train: what a trial does, in a worker.
    """
    recorder = Recorder(plan, folder)
    search = Search(plan, folder.journal, recorder.finished())
    trials = folder.ray / "trials"

    def job(attempt: Attempt) -> Job:
        return Job(
            trial=attempt.trial,
            config=attempt.config.model_dump(mode="json"),
            folder=str(trials / attempt.trial),
            stages=str(folder.stages),
            threads=threads(plan),
            checkpoint_seconds=plan.spec.checkpoint_seconds,
        )

    def ended(attempt: Attempt) -> None:
        own = trials / attempt.trial
        failed = recorder.records[attempt.trial].status == "failed"  # there the traceback is of use
        shutil.rmtree(own / TRAIN_FILES if failed else own, ignore_errors=True)
        progress.ended(recorder.records[attempt.trial])

    def tick() -> None:
        recorder.flush()
        progress.show(recorder.records.values())

    searcher = ConditionSearcher(search, recorder, job, ended)
    with progress:
        tick()
        try:
            _tuner(plan, folder, searcher, tick, train).fit()
        finally:
            shutil.rmtree(folder.ray / TUNE_FILES, ignore_errors=True)
        recorder.flush(now=True)
        progress.show(recorder.records.values(), now=True)
    return len(recorder.finished()) == plan.trials


def compute_stages(plan: Plan, folder: ResultsFolder, say: Callable[[str], None]) -> None:
    """The shared stages of a study, each a Ray task with one worker's resources. Raises RayError."""
    resources = plan.spec.resources
    task = ray.remote(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker)(compute_stage)
    stages = shared_stages(plan)
    for key, computed in zip(stages, ray.get([task.remote(c, folder.stages) for c in stages.values()]), strict=True):
        say(f"pre-training {key[:12]}: {'computed' if computed else 'found'}")


def _tuner(
    plan: Plan, folder: ResultsFolder, searcher: ConditionSearcher, tick: Callable[[], None], train: Train
) -> tune.Tuner:
    resources = plan.spec.resources
    several = resources.workers_per_trial > 1
    own = {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial}
    function = several_workers(train, resources) if several else trainable(train)
    # Tune names a trainable after its function, for the whole cluster.
    function.__name__ = f"study-{plan.spec.name}"
    return tune.Tuner(
        tune.with_resources(function, {"memory": TRIAL_MEMORY} if several else own),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=OptunaScheduler(searcher),
            num_samples=plan.trials,
            max_concurrent_trials=concurrent_trials(plan, node_resources()),
            # 0.5 s a trial instead of 6 s: a new process would import torch. With several workers the end of the
            # process is what ends a Ray Train run that is pruned.
            reuse_actors=not several,
            trial_name_creator=lambda trial: str(trial.config["trial"]),
            trial_dirname_creator=lambda trial: str(trial.config["trial"]),
        ),
        run_config=tune.RunConfig(
            name=TUNE_FILES,
            storage_path=str(folder.ray.resolve()),
            callbacks=[Ticker(tick)],
            failure_config=tune.FailureConfig(max_failures=WORKER_FAILURES),
            verbose=0,
        ),
    )
