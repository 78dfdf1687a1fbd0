"""Number of repeats that tell a condition's settings apart.

After the first `confirm/seeds` repeats the spread tells how many it takes until the 95 % interval of a difference
between two settings is at most `confirm/half_width` to either side (two stages; Stein 1945, Annals of Mathematical
Statistics 16). The number depends on the spread alone, never on which setting is ahead.
"""

import math

import numpy as np
from scipy import stats

from codim.noise.transition import Floats
from study.spec.sections import Confirm


def repeats(confirm: Confirm, accuracy: Floats) -> int:
    """Return the number of repeats for all settings of a condition.

    Args:
        accuracy: (settings, confirm/seeds) on test images, of the first repeats; NaN where a training failed.
    """
    complete = accuracy[np.isfinite(accuracy).all(1)]
    if confirm.seeds < 2 or len(complete) < 2:
        return confirm.seeds
    return min(max(confirm.seeds, needed(complete, confirm.half_width)), confirm.most)


def needed(accuracy: Floats, half_width: float) -> int:
    """Return the number of repeats for an interval of that half width between settings that are close to the best.

    Args:
        accuracy: (settings, repeats); what all settings of a repeat share is not spread, since they are paired.
    """
    mean = accuracy.mean(1)
    # Those far below the best need no more repeats, and cross-entropy, often among them, varies most.
    close = mean >= mean.max() - _margin(accuracy) / math.sqrt(accuracy.shape[1])
    return math.ceil((_margin(accuracy[close]) / half_width) ** 2) if close.sum() > 1 else 0


def _margin(accuracy: Floats) -> float:
    """Return the half width of the 95 % interval of a difference after one repeat."""
    settings, n = accuracy.shape
    freedom = (settings - 1) * (n - 1)
    residual = accuracy - accuracy.mean(1, keepdims=True) - accuracy.mean(0) + accuracy.mean()
    return float(stats.t.ppf(0.975, freedom) * math.sqrt(2 * (residual**2).sum() / freedom))
