"""True labels, images and noise for the tests of the kinds of noise."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy import stats

from codim.noise.base import Images, NoiseKind
from codim.noise.kinds import NOISE_ADAPTER
from codim.noise.transition import Labels

rates = st.floats(0, 1)
seeds = st.integers(0, 10**6)


def noise(**settings: Any) -> NoiseKind:
    return NOISE_ADAPTER.validate_python(settings)


def true_labels(seed: int, n: int = 2000, k: int = 10) -> Labels:
    return np.random.default_rng(seed + 1).integers(0, k, n)


def pictures(n: int, seed: int = 0) -> Images:
    """Of 2 channels and 2x3 pixels, of one mean colour, as images of one data set are."""
    return np.random.default_rng(seed).integers(90, 200, (n, 2, 2, 3)).astype(np.uint8)


def within(count: int, n: int, p: float) -> bool:
    low, high = stats.binom.interval(1 - 1e-6, n, p)
    return bool(low <= count <= high)
