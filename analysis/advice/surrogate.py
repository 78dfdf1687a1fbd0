"""Surrogate of a setting's value at any noise rate of one kind: a Gaussian process over settings and realised rate.

There is one model for all conditions, since on noisy validation labels the trials of a single condition say little: it
borrows from its neighbours along the noise axis. The target is the objective as accuracy on true labels: minus the mean
of its condition, over the slope (see `analysis.statistics.resolution`). Hard conditions weigh less: the standard error
of a trial is the out-of-bag error of a random forest on its own condition (Breiman 2001), again over the slope. The
binomial error of one accuracy would be several times too large, since all trials of a condition are evaluated on the
same images with the same wrong labels. Regression with known noise levels: Rasmussen and Williams 2006, chapter 2.2.
Columns that only an observer knows are never targets; the realised rate only places a condition on the noise axis.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import qmc
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, searched_settings
from analysis.statistics.resolution import objective_slope
from analysis.tables.selection import baseline_points, finished_trials
from analysis.tables.study_tables import condition_table
from codim.noise.transition import FLAT_SLOPE

MAX_TRIALS = 1000
"""Maximum number of trials; more are thinned evenly over the conditions: the cost is cubic."""
MIN_TRIALS = 10
"""Minimum number of trials of a condition; conditions with fewer are left out."""
LENGTHS = (0.15, 1.0)
"""Bounds of the process' length scales, in ranges of a setting (and in noise rate). Without the upper one, the
likelihood of some hundred trials prefers planes, whose best corner then seems more certainly better than it is. On
studies with a known bowl (tests/support/known_truth.py) the 95% lower bound of the best candidate's gain was above the
truth in 8 to 67% of cases with lengths up to 100, in 0 to 8% with these."""
TREES = 200
COLLAPSED = 0.1
"""Cap on how far a trial lies below the median of its condition (in accuracy on true labels): where the cliff is
matters, not its depth."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Surrogate:
    """Fitted model. Its values are differences of accuracy on true labels; only those at one rate are comparable."""

    settings: tuple[Setting, ...]
    rates: "pd.Series[float]"
    """Realised rate of each condition in the fit, indexed by condition, sorted."""
    tried: pd.DataFrame
    """Trials that the model was fitted to."""
    process: GaussianProcessRegressor

    def draws(self, settings: pd.DataFrame, rates: Sequence[float], n: int) -> Floats:
        """Draw values (n, rates, settings) of settings (columns `param/...`) at realised noise rates from the
        posterior, jointly over both."""
        points = self._points(settings, rates)
        mean, covariance = self.process.predict(points, return_cov=True)
        rng = np.random.default_rng(0)
        drawn = rng.multivariate_normal(mean, covariance, n, method="eigh")
        return drawn.reshape(n, len(rates), len(settings))

    def _points(self, settings: pd.DataFrame, rates: Sequence[float]) -> Floats:
        own = _coordinates(settings, self.settings)
        return np.concatenate([np.column_stack([own, np.full(len(own), rate)]) for rate in rates])


def fit(trials: Trials, kind: str) -> Surrogate:
    """Fit the model to the finished searched trials of all conditions with this kind of noise that can rank, and to
    baselines inside the space: the default settings are measured by nothing else.

    Raises NotApplicable: nothing was searched, or there are too few such trials.
    """
    settings = searched_settings(trials.spec)
    if not settings:
        raise NotApplicable("The study file names no searched setting.")
    table = condition_table(trials)
    known = table[(table["noise_kind"] == kind) & table["oracle_noise_rate"].notna()]
    parts, rates = [], {}
    for condition, row in known.sort_values("oracle_noise_rate").iterrows():
        own = finished_trials(trials, str(condition))
        rate, classes = float(row["oracle_noise_rate"]), int(row["classes"])
        if len(own) < MIN_TRIALS or not own["status"].eq("complete").any():
            continue
        own = pd.concat([own, baseline_points(trials, str(condition))])
        slope = objective_slope(kind, rate, classes, str(own["oracle_transition"].iloc[0]))
        if slope > FLAT_SLOPE:
            clean = own["objective"] / slope
            target = (clean - clean.median()).clip(lower=-COLLAPSED)
            error = _error(_coordinates(own, settings), target)
            parts.append(own.assign(rate=rate, target=target - target.mean(), error=error))
            rates[str(condition)] = rate
    if not parts:
        kinds = ", ".join(sorted(set(table["noise_kind"].astype(str)))) or "none"
        raise NotApplicable(
            f"Advice for {kind} noise needs a condition of that kind with {MIN_TRIALS} finished searched trials, one "
            f"of them complete, and an objective that can rank. Kinds in this study: {kinds}."
        )
    used = pd.concat(parts)
    if len(used) > MAX_TRIALS:
        used = used.iloc[np.linspace(0, len(used) - 1, MAX_TRIALS).round().astype(int)]
    points = np.column_stack([_coordinates(used, settings), used["rate"]])
    return Surrogate(settings, pd.Series(rates).sort_values(), used, _process(points, used))


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


def _error(points: Floats, target: "pd.Series[float]") -> float:
    forest = RandomForestRegressor(TREES, max_features=0.5, oob_score=True, random_state=0).fit(points, target)
    return float(np.std(target - forest.oob_prediction_)) or 1e-6


def _process(points: Floats, used: pd.DataFrame) -> GaussianProcessRegressor:
    lengths = np.full(points.shape[1], LENGTHS[1])
    spread = float(used["target"].var())
    kernel = ConstantKernel(spread, (1e-7, 1.0)) * Matern(lengths, LENGTHS, nu=2.5)
    process = GaussianProcessRegressor(
        kernel, alpha=used["error"].to_numpy() ** 2, n_restarts_optimizer=2, random_state=0
    )
    with warnings.catch_warnings():
        # A length at its bound only means that the setting matters little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(points, used["target"])


def _coordinates(frame: pd.DataFrame, settings: Sequence[Setting]) -> Floats:
    """Map settings to coordinates: each range to [0, 1] on its own scale, a 0 beside a range to a quarter below it,
    choices to 0 or 1 each. A setting that a trial lacks is placed in the middle."""
    columns = []
    for setting in settings:
        values = setting.values(frame)
        if setting.axis.choices:
            columns += [(values == choice).astype(float).where(values.notna(), 0.5) for choice in setting.axis.choices]
            continue
        off = values.eq(0) & setting.axis.zero
        inside = values.mask(off, setting.axis.low)
        if setting.axis.log:
            share = np.log(inside / setting.axis.low) / math.log(setting.axis.high / setting.axis.low)
        else:
            share = (inside - setting.axis.low) / (setting.axis.high - setting.axis.low)
        columns.append(share.mask(off, -0.25).fillna(0.5))
    return np.column_stack([column.to_numpy(dtype=float) for column in columns])
