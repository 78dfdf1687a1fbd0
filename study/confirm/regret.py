"""The robust setting: minimax regret over the noise conditions (Savage 1951), in points of accuracy on true labels.

A searched setting was trained in one condition only, so its objective in the others is predicted: per condition by a
random forest over the settings, fitted to that condition's own trials (as in surrogate benchmarks; Eggensperger et al.
2015). The prediction is also used in the setting's own condition: the best measured value of many is the luckiest, and
would make every other setting's regret too large.

Objectives of two conditions differ in scale, since a loss of accuracy on true labels costs less on noisier labels: each
is divided by its slope, which follows from the noise in the study file. No test images or true labels are used.
"""

from collections.abc import Sequence

import numpy as np

from codim.noise.transition import FLAT_SLOPE, Floats


def minimax(objectives: Floats, slopes: Sequence[float]) -> int | None:
    """Return the index of the candidate with the smallest maximal regret, the first if tied; None if all are flat.

    Args:
        objectives: (candidates, conditions); the regret is the best of a condition minus it, over the slope.
        slopes: slope of each condition; those up to FLAT_SLOPE are left out.
    """
    steep = np.asarray(slopes) > FLAT_SLOPE
    if not steep.any():
        return None
    clean = objectives[:, steep] / np.asarray(slopes)[steep]
    return int((clean.max(0) - clean).max(1).argmin())
