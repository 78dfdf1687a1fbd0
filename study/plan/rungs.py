"""Rungs: the points of its budget, in samples, at which a searched trial can be stopped."""

from codim.config.budget import milestones
from codim.config.train_config import TrainConfig
from study.plan.plan import Plan
from study.spec.conditions import Condition, ConditionData
from study.spec.sections import Pruner

CURVE_POINTS = 50
"""Approximate number of steps at which a trial's curve is reported to the pruner."""


def stages_end(config: TrainConfig, data: ConditionData) -> int:
    """Return the samples of pre-training and, before co-training, warm-up, which the pruner does not count."""
    marks = milestones(config, data.images, data.training_images)
    return marks.warmup if config.train.co_training else marks.pretrain


def first_step(pruner: Pruner, stages: int) -> int:
    """Return the first step at which a trial can be stopped, in samples past the stages."""
    return max(pruner.min_budget - stages, 1)


def common_step(samples: int, first: int, budget: int) -> int:
    """Return the last step of a common grid that a trial has reached `samples` past the stages. The grid has about
    CURVE_POINTS steps, rungs among them: the median pruner compares equal steps, and epochs differ in length."""
    points = max(1, round(first * CURVE_POINTS / budget))
    return -(-(samples * points // first) * first // points)


def rungs(pruner: Pruner, budget: int, stages: int) -> list[int]:
    """Return the samples after which a trial can be stopped, for median only the first such number; empty: never."""
    if pruner.kind == "none":
        return []
    steps = [first_step(pruner, stages)]
    while pruner.kind != "median" and stages + steps[-1] * pruner.reduction_factor < budget:
        steps.append(steps[-1] * pruner.reduction_factor)
    return [stages + step for step in steps]


def rungs_of(plan: Plan, condition: Condition) -> list[int]:
    """Return the samples after which a searched trial of a condition can be stopped; empty: never."""
    corner = plan.corner(condition, 0)
    return rungs(plan.spec.pruner, corner.train.samples, stages_end(corner, plan.data[condition.id]))
