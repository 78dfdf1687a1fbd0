"""What do shared stages save? Trials of a study that pre-train and warm up by themselves, and the same that share.

    python benchmarks/shared_stages.py --space search_spaces/digits.yaml

So many searched trials of each condition, one after the other in this process, each by turns alone and sharing; the
curves must be equal to the last bit. CPU seconds, those of the shared stages counted. Without the study around them, of
which a trial costs half a second either way.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import tyro
from kept import keep

from codim.config.train_config import TrainConfig
from study.plan.plan import Plan, load_plan
from study.plan.shared_stages import drawn_by_stage, drawn_by_trial, shared_stages
from study.worker.job import Job
from study.worker.stages import compute_stage
from study.worker.trainable import train


@dataclass
class Arguments:
    """Trials of a study with and without shared stages."""

    space: Path = Path("search_spaces/digits.yaml")
    """Study file."""
    trials: int = 3
    """Of each condition."""


def curve(config: TrainConfig, stages: Path, folder: Path) -> list[float]:
    """Validation accuracy of each epoch of stages 1 to 3."""
    rows = []
    for row in train(Job("t", config.model_dump(mode="json"), str(folder), str(stages), 1, 1e9)):
        rows += [*row.pop("history", []), row]
    return [row["val_acc"] for row in rows if row["phase"] != "pretrain"]


def configs(plan: Plan, trials: int) -> Iterator[TrainConfig]:
    """Alternately at the lower and the upper end of every range."""
    for condition in plan.conditions:
        for seed in range(trials):
            ends = {path: own.corners()[-(seed % 2)] for path, own in plan.spec.space.items()}
            yield plan.searched_config(condition, ends, seed)


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    torch.set_num_threads(1)
    plan = load_plan(args.space)
    stages, seconds = shared_stages(plan), {"stages": 0.0, "alone": 0.0, "sharing": 0.0}
    with TemporaryDirectory() as scratch:
        started = time.process_time()
        for stage in stages:
            compute_stage(stage, Path(scratch, "stages"))
        seconds["stages"] = time.process_time() - started
        trials = list(configs(plan, args.trials))
        for number, config in enumerate(trials):
            curves = []
            for how, folder in (("alone", "none"), ("sharing", "stages")):
                started = time.process_time()
                curves.append(curve(config, Path(scratch, folder), Path(scratch, f"{how}-{number}")))
                seconds[how] += time.process_time() - started
            if curves[0] != curves[1]:
                raise SystemExit(f"trial {number}: the curves differ")
    data = plan.data[plan.conditions[0].id]
    keys = {stage.key for stage in stages}
    alone = sum(config.train.samples for config in trials)
    sharing = sum(sum(drawn_by_stage(stage, data)) for stage in stages)
    sharing += sum(sum(drawn_by_trial(config, data, keys)) for config in trials)
    text = (
        "| | samples drawn | CPU s |\n|:--|--:|--:|\n"
        f"| each trial alone | {alone:,} | {seconds['alone']:.0f} |\n"
        f"| {len(stages)} stages shared | {sharing:,} | {seconds['stages'] + seconds['sharing']:.0f} |\n\n"
        f"{alone / sharing:.2f} times fewer samples, {seconds['alone'] / (seconds['stages'] + seconds['sharing']):.2f} "
        f"times less time; {plan.spec.name}, {args.trials} searched trials in each of "
        f"{len(plan.conditions)} conditions. All curves are equal to the last bit."
    )
    keep(f"shared_stages-{plan.spec.name}", text, {"samples": {"alone": alone, "sharing": sharing}, "seconds": seconds})


if __name__ == "__main__":
    main()
