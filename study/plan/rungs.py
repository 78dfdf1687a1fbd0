"""Where in its budget a searched trial can be stopped."""

from codim.config.budget import milestones
from codim.config.train_config import TrainConfig
from study.plan.plan import Plan
from study.spec.conditions import Condition, ConditionData
from study.spec.study_spec import Pruner

CURVE_POINTS = 50
"""Steps at which a trial's curve is given to the pruner, about."""


def stages_end(config: TrainConfig, data: ConditionData) -> int:
    """Samples of a trial that no pruner counts."""
    marks = milestones(config, data.images, data.training_images)
    return marks.warmup if config.train.co_training else marks.pretrain


def first_step(pruner: Pruner, stages: int) -> int:
    """At which a trial can be stopped."""
    return max(pruner.min_budget - stages, 1)


def common_step(samples: int, first: int, budget: int) -> int:
    """The last step of a grid, CURVE_POINTS or more over the budget, that a trial has reached so many samples past the
    stages. The median pruner compares equal steps, and epochs differ in length; every rung lies on the grid."""
    points = max(1, round(first * CURVE_POINTS / budget))
    return -(-(samples * points // first) * first // points)


def rungs(pruner: Pruner, budget: int, stages: int) -> list[int]:
    """Samples after which a trial can be stopped, for median the first such number only; empty: never."""
    if pruner.kind == "none":
        return []
    steps = [first_step(pruner, stages)]
    while pruner.kind != "median" and stages + steps[-1] * pruner.reduction_factor < budget:
        steps.append(steps[-1] * pruner.reduction_factor)
    return [stages + step for step in steps]


def rungs_of(plan: Plan, condition: Condition) -> list[int]:
    """Samples after which a searched trial of a condition can be stopped."""
    corner = plan.corner(condition, 0)
    return rungs(plan.spec.pruner, corner.train.samples, stages_end(corner, plan.data[condition.id]))
