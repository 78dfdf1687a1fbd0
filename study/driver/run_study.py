"""The study itself: shared stages, then the trials of each phase under a Tuner. Ray is connected, and the results
folder locked."""

import shutil
import signal
import time
from collections.abc import Callable, Collection, Sequence
from typing import get_args

import ray
from ray import tune
from ray.tune.experiment import Trial

from codim.runtime.progress_bar import LINE_SECONDS, clock
from study.confirm.choice import trial_values
from study.confirm.confirm import Confirm
from study.driver.tune_adapters import ConditionSearcher, OptunaScheduler, Ticker
from study.monitor.console import Progress
from study.monitor.loggers import Loggers
from study.monitor.prometheus import Gauges
from study.monitor.recorder import Recorder
from study.plan.plan import Plan
from study.plan.shared_stages import Kind, shared_stages
from study.preflight.checks import concurrent_trials, threads
from study.ray_cluster.connection import node_resources
from study.ray_cluster.nodes import Watch
from study.ray_private import killed_for_memory_is_lost
from study.results.folder import ResultsFolder
from study.results.json_schema import Phase
from study.search.optuna_search import Search
from study.trial import A, Attempt, Queue
from study.worker.job import Job, Train
from study.worker.staging import compute_stage_at, progress_at
from study.worker.trainable import train, trainable
from study.worker.worker_group import TRIAL_MEMORY, several_workers

TUNE_FILES = "tune"
"""Folder for the files that Tune itself writes while it runs; they are never read again."""
INTERRUPTED = (
    "interrupted: saving what is done and stopping the running trials, which keep their last checkpoints "
    "(up to half a minute)"
)
WORKER_FAILURES = 3
"""Lost workers that one trial survives."""


def run_study(
    plan: Plan, folder: ResultsFolder, progress: Progress, train: Train = train, phase: Phase | None = None
) -> bool:
    """Run the rest of a study; return whether it is finished. After an interruption, and after an OSError, which says
    what cannot be written any more, the same call resumes it.

    Args:
        train: what a trial does, in a worker.
        phase: the only one to run; both by default, and the confirmations once all searched trials have ended.
    """
    loggers = Loggers(plan.spec.loggers, plan.spec.name, folder, progress.say)
    recorder, gauges, cluster = Recorder(plan, folder, loggers), Gauges(plan), Watch(progress.say)

    def job(attempt: Attempt) -> Job:
        return Job(
            trial=attempt.trial,
            config=attempt.config.model_dump(mode="json"),
            folder=folder.at("ray", "trials", attempt.trial),
            stages=folder.stages_address,
            threads=threads(plan),
            checkpoint_seconds=plan.spec.checkpoint_seconds,
            predicts=plan.spec.objective.consensus and attempt.phase == "search",
            examples=0 if attempt.baseline or attempt.phase != "search" else plan.spec.examples,
            epoch_timeout_minutes=plan.spec.resources.epoch_timeout_minutes,
        )

    def tidy(trial: str) -> None:
        if recorder.records[trial].status in ("complete", "pruned"):  # of one that failed the traceback is of use
            folder.remove(trial)

    def ended(attempt: Attempt) -> None:
        tidy(attempt.trial)
        progress.ended(recorder.records[attempt.trial])

    def tick(waiting: Collection[str] = ()) -> None:
        recorder.flush(now=folder.due)
        folder.keep()
        gauges.show(recorder)
        cluster.look()
        progress.show(recorder.records.values(), waiting)

    def run(queue: Queue[A], size: int) -> None:
        searcher = ConditionSearcher(queue, recorder, job, ended)

        def step(trials: list[Trial]) -> None:
            if searcher.halt:
                raise searcher.halt
            pending = {trial.trial_id for trial in trials if trial.status == Trial.PENDING}
            tick({attempt.trial for name, attempt in searcher.live.items() if name in pending})

        before = signal.getsignal(signal.SIGINT)

        try:
            with killed_for_memory_is_lost():
                ticker = Ticker(step, lambda: progress.say(INTERRUPTED))
                _tuner(plan, folder, searcher, size, ticker, train).fit()
        finally:
            signal.signal(signal.SIGINT, before)
            shutil.rmtree(folder.ray / TUNE_FILES, ignore_errors=True)
        recorder.flush(now=True)
        folder.keep(now=True)
        progress.show(recorder.records.values(), now=True)

    def stopped(condition: str, regret: float) -> None:
        progress.searches = search.trials
        progress.say(
            f"{condition}: the search ends here, the best setting would probably gain {100 * regret:.2g} points of "
            "accuracy over the best one tried"
        )

    for trial in folder.resumable() & recorder.records.keys():  # a driver killed after the record, and before this
        tidy(trial)
    if phase == "search":
        progress.confirmations = recorder.ended("confirm")
    with progress:
        tick()
        if phase != "confirm":
            search = Search(plan, folder.journal, recorder.finished(), recorder.consensus, stopped)
            progress.searches = search.trials
            if recorder.ended("search") < search.trials:
                run(search, search.trials)
            if recorder.ended("search") < search.trials:
                return False
        for condition in plan.conditions:
            recorder.consensus(condition.id)
        recorder.judge(trial_values(plan, recorder.records.values()))
        recorder.flush(now=True)
        folder.keep(now=True)
        if phase != "search" and plan.spec.confirm.seeds:
            return _confirmed(plan, recorder, progress, run)
    return True


def _confirmed(plan: Plan, recorder: Recorder, progress: Progress, run: Callable[[Queue[Attempt], int], None]) -> bool:
    """Confirm, with further seeds where the first ones do not tell settings apart; return whether all has ended."""
    first = Confirm(plan, recorder.records)
    progress.confirmations = first.trials
    run(first, first.trials)
    further = Confirm(plan, recorder.records)
    more = further.trials - first.trials
    if more:
        progress.say(
            f"{more} more trainings to confirm: the first {plan.spec.confirm.seeds} seeds do not tell all settings "
            f"apart to {plan.spec.confirm.half_width:g} of accuracy"
        )
        progress.confirmations = further.trials
        run(further, further.trials)
    return recorder.ended("confirm") == further.trials


def compute_stages(plan: Plan, folder: ResultsFolder, say: Callable[[str], None]) -> None:
    """Compute the shared stages of a study, each in a Ray task with one worker's resources. Raises RayError."""
    resources = plan.spec.resources
    task = ray.remote(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker)(compute_stage_at)
    cluster = Watch(say)
    for kind in get_args(Kind):  # a warm-up builds on its pre-training
        begun = time.monotonic()
        stages = [stage for stage in shared_stages(plan) if stage.kind == kind]
        asked = {task.remote(stage, folder.stages_address): stage for stage in stages}
        while asked:
            made, _ = ray.wait(list(asked), num_returns=len(asked), timeout=LINE_SECONDS)
            cluster.look()
            for reference in made:
                how = ray.get(reference)
                say(f"{kind} {asked.pop(reference).key[:12]}: {how}")
            if asked:
                say(_of_stages(kind, [progress_at(stage, folder.stages_address) for stage in asked.values()], begun))


def _of_stages(kind: Kind, done: Sequence[float], begun: float) -> str:
    """Progress of the stages that have not ended."""
    elapsed, share = time.monotonic() - begun, sum(done) / len(done)
    left = clock(elapsed / share - elapsed) if share else "?"
    return f"{kind}: {len(done)} running, {share:.0%} done, {clock(elapsed)} elapsed, {left} left"


def _tuner(
    plan: Plan,
    folder: ResultsFolder,
    searcher: ConditionSearcher[A],
    size: int,
    ticker: Ticker,
    train: Train,
) -> tune.Tuner:
    resources = plan.spec.resources
    several = resources.workers_per_trial > 1
    own = {"cpu": resources.cpus_per_trial, "gpu": resources.gpus}
    function = several_workers(train, resources) if several else trainable(train)
    # Tune names a trainable after its function, for the whole cluster.
    function.__name__ = f"study-{plan.spec.name}"
    return tune.Tuner(
        tune.with_resources(function, {"memory": TRIAL_MEMORY} if several else own),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=OptunaScheduler(searcher),
            num_samples=size,
            max_concurrent_trials=concurrent_trials(resources, node_resources()),
            # 0.5 s a trial instead of 6 s: a new process would import torch. With several workers the end of the
            # process is what ends a Ray Train run that is pruned.
            reuse_actors=not several,
            trial_name_creator=lambda trial: str(trial.config["trial"]),
            trial_dirname_creator=lambda trial: str(trial.config["trial"]),
        ),
        run_config=tune.RunConfig(
            name=TUNE_FILES,
            storage_path=str(folder.ray.resolve()),
            callbacks=[ticker],
            failure_config=tune.FailureConfig(max_failures=WORKER_FAILURES),
            verbose=0,
        ),
    )
