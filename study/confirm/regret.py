"""The robust setting: minimax regret over the noise conditions (Savage 1951), in points of accuracy on true labels.

A searched setting was trained in one condition only, so what it would reach in the others is predicted: per condition a
random forest over the settings, fitted on that condition's own trials (as surrogates of tabulated benchmarks are;
Eggensperger et al. 2015). In its own condition too the prediction counts: the best measured value of many is the
luckiest, and would make every other setting's regret too large.

Objectives of two conditions differ in scale, since the same loss of accuracy on true labels costs less on noisier ones:
each is divided by its slope, which follows from the noise that the study file names. Nothing that only an observer
knows enters: no test image, and no true label.
"""

from collections.abc import Sequence

import numpy as np

from codim.noise.transition import FLAT_SLOPE, Floats


def minimax(objectives: Floats, slopes: Sequence[float]) -> int | None:
    """The candidate whose largest regret is least; the first of equals. None where no condition can rank.

    Args:
        objectives: (candidates, conditions); the regret is the best of a condition minus it, over the slope.
        slopes: of the conditions; flat ones do not count.
    """
    steep = np.asarray(slopes) > FLAT_SLOPE
    if not steep.any():
        return None
    clean = objectives[:, steep] / np.asarray(slopes)[steep]
    return int((clean.max(0) - clean).max(1).argmin())
