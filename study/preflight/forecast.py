"""Forecast of a study's cost in hours, samples, money and disk; and at its end, the comparison with the actual cost."""

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args

from codim.config.budget import Drawn, Speed
from codim.config.train_config import TrainConfig
from codim.runtime.progress_bar import clock
from study.errors import SpecError
from study.plan.plan import Plan
from study.plan.shared_stages import Kind, drawn_by_stage, drawn_by_trial, shared_stages
from study.results.folder import ResultsFolder, write_json
from study.results.json_schema import Environment, Phase, read_json
from study.results.object_storage import is_remote
from study.results.predictions import text_bytes
from study.results.records import TrialRecord
from study.spec.conditions import ConditionData

COPIES = 3
"""Copies of a trial's checkpoint on disk: the newest, the one before, and one that is being written."""
TRIAL_BYTES = 250_000
"""Bytes of a trial in the tables and in Optuna's journal, for 400 epochs, without its predictions; a trial of the
digits study, of 37 epochs, leaves 22,000."""
TIMING = "timing a few steps of each stage (seconds; two minutes for a large network on CPUs)"
"""Message for the timing step before a study, with its duration."""


class Forecast(NamedTuple):
    """Expected cost of the whole study."""

    trials: int
    """Trials of the search and trainings that confirm it, if all conditions get `confirm/most_seeds`."""
    hours: float
    """Wall time with `concurrent` trials at a time, if nothing is pruned and all conditions are confirmed with
    `confirm/most_seeds` (as for `samples`)."""
    concurrent: int
    samples: int
    """Samples drawn by all trials, with those of each shared stage counted once."""
    price_per_hour: float
    """Price per hour of all nodes together; 0: unknown."""
    disk_bytes: int
    """Largest size of the results folder."""
    expected_hours: float
    """Wall time less what the pruner is expected to save, without further seeds (as for `expected_samples`)."""
    expected_samples: int


def representative(plan: Plan) -> TrainConfig:
    """Return the config of a searched trial at the upper end of every range, which stands for all in a forecast."""
    return plan.corner(plan.conditions[0], -1)


def forecast(plan: Plan, speed: Speed, concurrent: int, nodes: int, phase: Phase | None = None) -> Forecast:
    """Extrapolate time and disk use of the study from one worker's measured speed, assuming linear scaling.

    Args:
        nodes: number of nodes that are paid for.
        phase: the only phase to run; both by default.
    """
    condition = plan.conditions[0]
    data, shared = plan.data[condition.id], shared_stages(plan)
    searched, baselines = representative(plan), [plan.baseline_config(condition, b, 0) for b in plan.spec.baselines]
    trials: list[Drawn] = []
    """Samples drawn by each trial of one condition."""
    spared: list[Drawn] = []
    """Those of them that train with further seeds."""
    pruned = 0.0, 0
    """Seconds and samples that pruning is expected to save in one condition."""
    if phase != "confirm":
        own = [*baselines, *[searched] * plan.spec.budget.trials_per_condition]
        keys = {stage.key for stage in shared}
        trials += [drawn_by_trial(config, data, keys) for config in own]
        pruned = _pruned(plan, searched, data, speed)
    if phase != "search":
        confirm, own = plan.spec.confirm, [*baselines, *[searched] * (plan.confirmed_settings - len(baselines))]
        # Fresh noise and all images: epochs are longer, and pre-training is the only shared stage.
        whole = replace(data, training_images=data.images) if searched.data.validation == "split" else data
        keys = {stage.key for stage in shared if stage.kind == "pre-training"}
        drawn = [drawn_by_trial(config, whole, keys) for config in own]
        trials += drawn * confirm.most
        spared = drawn * (confirm.most - confirm.seeds)
    several = len(plan.conditions)
    at_once = plan.spec.resources.workers_per_trial * concurrent
    seconds = several * sum(speed.seconds(drawn) for drawn in trials) / at_once
    samples = several * sum(map(sum, trials))
    saved_seconds = several * (pruned[0] + sum(map(speed.seconds, spared))) / at_once
    saved_samples = several * (pruned[1] + sum(map(sum, spared)))
    for kind in get_args(Kind):
        once = [drawn_by_stage(stage, data) for stage in shared if stage.kind == kind]
        seconds += sum(speed.seconds(drawn) for drawn in once) / min(concurrent, len(once)) if once else 0
        samples += sum(map(sum, once))
    count = several * len(trials)
    at_a_time = COPIES * min(concurrent, count) + len(shared)
    kept = text_bytes(data.validation_images, data.classes) if plan.spec.objective.consensus else 0
    disk = round(at_a_time * speed.checkpoint_bytes) + count * (TRIAL_BYTES + kept)
    return Forecast(
        trials=count,
        hours=seconds / 3600,
        concurrent=concurrent,
        samples=samples,
        price_per_hour=nodes * plan.spec.resources.price_per_node_hour,
        disk_bytes=disk,
        expected_hours=(seconds - saved_seconds) / 3600,
        expected_samples=samples - saved_samples,
    )


def _pruned(plan: Plan, searched: TrainConfig, data: ConditionData, speed: Speed) -> tuple[float, int]:
    """Return the seconds and samples that the pruner is expected to save in the search of one condition."""
    from study.plan.rungs import stages_end  # Optuna is slow to import
    from study.search.pruners import drawn_share

    spec, stages = plan.spec, stages_end(searched, data)
    if spec.objective.cost:  # then no trial is stopped
        return 0.0, 0
    count = spec.budget.trials_per_condition
    share = drawn_share(spec.pruner, searched.train.samples, stages, count)
    saved = round(count * (1 - share) * (searched.train.samples - stages))
    return saved * (speed.cotrain if searched.train.co_training else speed.warmup), saved


def require_disk(folder: ResultsFolder, expected: Forecast) -> str:
    """Describe the disk space that the results need and what is free. Raises SpecError if too little is free."""
    if is_remote(folder.at()):
        return f"storage: at most {size(expected.disk_bytes)} in {folder.at()}"
    existing = next(path for path in (folder.root, *folder.root.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < expected.disk_bytes:
        raise SpecError(
            f"--results: {folder.root} needs about {size(expected.disk_bytes)} ({COPIES} checkpoints for each of "
            f"{expected.concurrent} trials at a time, shared stages, tables), {size(free)} are free there; free some, "
            "give another --results, or lower resources -> max_concurrent"
        )
    return f"disk: at most {size(expected.disk_bytes)} in {folder.root}, {size(free)} are free"


def size(count: float) -> str:
    """Format a number of bytes, e.g. as 1.2 GiB."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log(max(count, 1), 1024)), len(units) - 1)
    return f"{count / 1024**power:.3g} {units[power]}"


def describe_forecast(expected: Forecast) -> str:
    most = _told(expected.hours, expected.samples, expected.price_per_hour)
    saving = ""
    if expected.expected_samples < expected.samples:
        saving = f"; about {clock(expected.expected_hours * 3600)} with typical pruning and no further seeds"
    return (
        f"forecast: at most {expected.trials} trials, {most}, with {expected.concurrent} at a time{saving} (from a few "
        "steps and test images timed on a part of the data)"
    )


def _told(hours: float, samples: int, price_per_hour: float) -> str:
    money = f", {hours * price_per_hour:.2f} in cost" if price_per_hour else ""
    return f"{samples} samples, {clock(hours * 3600)}{money}"


def remaining(plan: Plan, expected: Forecast, records: Sequence[TrialRecord]) -> str:
    """Describe the part of the forecast that is left; a trial that has ended counts with its whole budget."""
    own = [r.samples if r.status == "running" else r.budget for r in records]
    done = sum(max(n - r.shared_samples, 0) for n, r in zip(own, records, strict=True))
    left = max(0.0, 1 - done / max(expected.samples, 1))
    ended = sum(record.status != "running" for record in records)
    return f"{ended} trials have already ended: at most {clock(left * expected.hours * 3600)} left"


class Usage:
    """Wall time of every start of a study, recorded in environment.json; the time between starts is not counted."""

    def __init__(self, folder: ResultsFolder) -> None:
        """Begin a start. An earlier one without hours was killed; it is taken to end at the last write of the table."""
        self.folder = folder
        self._started = time.monotonic()
        self._before: list[dict[str, Any]] = read_json(folder.environment, Environment).get("starts", [])
        for start in self._before:
            if start["hours"] is None:
                last = folder.trials.stat().st_mtime if folder.trials.exists() else 0.0
                begun = datetime.fromisoformat(start["at"]).timestamp()
                start["hours"] = max(0.0, last - begun) / 3600
        self._now: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "hours": None}

    @property
    def starts(self) -> list[dict[str, Any]]:
        """Rows for environment.json: time of each start, and its hours of wall time (None while it runs)."""
        return [*self._before, self._now]

    def end(self) -> float:
        """Record the wall time of this start and return the hours of all starts."""
        self._now["hours"] = (time.monotonic() - self._started) / 3600
        write_json(self.folder.environment, read_json(self.folder.environment, Environment) | {"starts": self.starts})
        return math.fsum(start["hours"] for start in self.starts)


def used(plan: Plan, records: Sequence[TrialRecord]) -> int:
    """Return the samples that the trials drew, with those of each shared stage counted once."""
    stages = [drawn_by_stage(stage, plan.data[plan.conditions[0].id]) for stage in shared_stages(plan)]
    return sum(max(record.samples - record.shared_samples, 0) for record in records) + sum(map(sum, stages))


def compare(expected: Mapping[str, Any], trials: int, samples: int, hours: float) -> str:
    """Compare the forecast with the actual cost, in one line.

    Args:
        expected: the forecast in environment.json.
        trials, samples, hours: actual numbers; samples as returned by `used`.
    """
    price = expected.get("price_per_hour", 0.0)
    spent = f"{trials} trials, {_told(hours, samples, price)}"
    if "samples" not in expected:  # written by an older version
        return f"used: {spent}"
    told_hours = expected.get("expected_hours", expected["hours"])
    told_samples = expected.get("expected_samples", expected["samples"])
    share = f"{hours / told_hours:.0%} of the hours, {samples / told_samples:.0%} of the samples"
    return f"used: {spent}; forecast: {_told(told_hours, told_samples, price)} ({share})"
