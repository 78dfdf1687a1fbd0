"""The records of a search that nobody ran, with the objectives of `simulated`."""

from typing import Any

import numpy as np

from study.plan.plan import Plan
from study.results.records import TrialRecord
from tests.support import simulated


def searched(plan: Plan, number: int, condition: int, lambda_u: float, **changes: Any) -> TrialRecord:
    """A complete trial of mixmatch/lambda_u in the condition of that position."""
    own = plan.conditions[condition]
    config = plan.searched_config(own, {"mixmatch/lambda_u": lambda_u}, number)
    value = simulated.value(own.rate, lambda_u)
    facts: dict[str, Any] = {
        "trial": f"{own.id}-{number:04d}",
        "condition": own.id,
        "noise_kind": "symmetric",
        "noise_rate": own.rate,
        "status": "complete",
        "cause": "",
        "baseline": "",
        "params": {"mixmatch/lambda_u": lambda_u},
        "config": config.model_dump(mode="json"),
        "seed": number,
        "budget": config.train.samples,
        # On noisy labels: the noisier they are, the closer all values lie together.
        "objective": value * own.noise.slope(10),
        "oracle_test_acc": value,
    }
    return TrialRecord(**(facts | changes))


def search(plan: Plan, trials: int = 10) -> list[TrialRecord]:
    """Of each condition the baseline codim-sup and so many trials, spread over 1 to 100."""
    found = []
    for c in range(len(plan.conditions)):
        lambdas = np.geomspace(1, 100, trials) * (1 + 0.01 * c)
        found.append(searched(plan, 0, c, 25.0, baseline="codim-sup"))
        found += [searched(plan, 1 + i, c, float(x)) for i, x in enumerate(lambdas)]
    return found
