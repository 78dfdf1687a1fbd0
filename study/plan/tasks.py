"""The noise conditions of a study, as the model of its trials sees them."""

import json
import math

from study.plan.plan import Plan
from study.spec.conditions import Condition
from study.surrogate.task import Task


def tasks_of(plan: Plan) -> dict[str, Task]:
    """Return condition -> task. Rates and slopes are those that the study file names, not the realised ones, which only
    an observer knows."""
    return {condition.id: _task(plan, condition) for condition in plan.conditions}


def _task(plan: Plan, condition: Condition) -> Task:
    data = plan.data[condition.id]
    kind = json.dumps(condition.noise.model_dump(mode="json", exclude={"rate", "seed"}), sort_keys=True)
    rate = 0.0 if math.isnan(condition.rate) else condition.rate
    return Task(kind, rate, condition.noise.slope(data.classes), data.validation_images)
