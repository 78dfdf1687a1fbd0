"""Candidate settings, from which the model of the trials picks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import qmc

from analysis.frames.settings import Setting


def candidates(settings: Sequence[Setting], tried: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return `n` settings (a power of two), spread evenly (Sobol) over the space. A 0 beside a range (a fifth of them)
    and a choice occur only if some trial has tried it: about other branches nothing is known."""
    points = qmc.Sobol(2 * len(settings), rng=np.random.default_rng(0)).random(n)
    columns: dict[str, object] = {}
    for i, setting in enumerate(settings):
        u, branch = points[:, 2 * i], points[:, 2 * i + 1]
        known = setting.values(tried)
        if setting.axis.choices:
            choices = [choice for choice in setting.axis.choices if known.eq(choice).any()]
            columns[setting.column] = [choices[int(x * len(choices))] for x in u]
            continue
        ratio = setting.axis.high / setting.axis.low if setting.axis.log else 1.0
        value = (
            setting.axis.low * ratio**u
            if setting.axis.log
            else setting.axis.low + u * (setting.axis.high - setting.axis.low)
        )
        value = np.round(value) if setting.axis.whole else value
        off = setting.axis.zero and known.eq(0).any()
        columns[setting.column] = np.where(branch < 0.2, 0.0, value) if off else value
    return pd.DataFrame(columns)
