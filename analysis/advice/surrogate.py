"""What a setting is worth at any noise rate of one kind: a Gaussian process over settings and realised rate.

One model for all conditions, since on noisy validation labels the trials of a single condition say little: its
neighbours along the noise axis lend it their trials. The target is the objective as accuracy on true labels: less the
mean of its condition, over the slope (see `analysis.statistics.intervals`). Hard conditions count for less: a trial
enters with the error that a random forest over its own condition makes on trials out of its bag (Breiman 2001), again
over the slope. The binomial error of one accuracy would be several times too wide, since all trials of a condition are
judged on the same images with the same wrong labels. Regression with known noise levels: Rasmussen and Williams 2006,
chapter 2.2. No column that only an observer knows is a target; the realised rate only says where on the noise axis a
condition lies.
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
"""More are thinned evenly over the conditions: the cost grows with the cube."""
MIN_TRIALS = 10
"""Of a condition; those with fewer are left out."""
LENGTHS = (0.15, 1.0)
"""Bounds of the process' lengths, in ranges of a setting (and in noise rate). Without the upper one the likelihood of
some hundred trials prefers planes: their best corner is told as surely better than it is. On studies with a known bowl
(tests/support/known_truth.py) the 95% lower bound of the best candidate's gain was above the truth in 8 to 67% of
cases with lengths up to 100, in 0 to 8% with these."""
TREES = 200
COLLAPSED = 0.1
"""A trial so far below the median of its condition (in accuracy on true labels) counts as just so far: where the cliff
is matters, not its depth."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Surrogate:
    """The fitted model. Its values are differences of accuracy on true labels; only those at one rate compare."""

    settings: tuple[Setting, ...]
    rates: "pd.Series[float]"
    """Realised rate of each condition that it was fitted on, indexed by condition, sorted."""
    tried: pd.DataFrame
    """The trials that it was fitted on."""
    process: GaussianProcessRegressor

    def draws(self, settings: pd.DataFrame, rates: Sequence[float], n: int) -> Floats:
        """(n, rates, settings): what the values of settings (columns `param/...`) may be at realised noise rates, drawn
        from the posterior, jointly over both."""
        points = self._points(settings, rates)
        mean, covariance = self.process.predict(points, return_cov=True)
        rng = np.random.default_rng(0)
        drawn = rng.multivariate_normal(mean, covariance, n, method="eigh")
        return drawn.reshape(n, len(rates), len(settings))

    def _points(self, settings: pd.DataFrame, rates: Sequence[float]) -> Floats:
        own = _coordinates(settings, self.settings)
        return np.concatenate([np.column_stack([own, np.full(len(own), rate)]) for rate in rates])


def fit(trials: Trials, kind: str) -> Surrogate:
    """Fit the finished searched trials of all conditions with this kind of noise that can rank, and the baselines that
    are points of the space: of the default settings they are the only measurement.

    NotApplicable: nothing was searched, or there are too few such trials.
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
    """`n` settings (a power of two), spread evenly (Sobol) over the space. A 0 beside a range (a fifth of them) and a
    choice only where some trial has tried it: of another branch nothing is known."""
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
        # That a length ends at its bound says that its setting matters little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(points, used["target"])


def _coordinates(frame: pd.DataFrame, settings: Sequence[Setting]) -> Floats:
    """Each range as [0, 1] on its own scale; 0 beside a range lies a quarter of it below; choices as 0 or 1 each. A
    setting that a trial has not stands in the middle."""
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
