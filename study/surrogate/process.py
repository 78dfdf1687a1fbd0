"""Gaussian process over settings and noise: one model for all conditions of a study.

On noisy validation labels the trials of a single condition say little, so each borrows from the others, as far as the
data say that they agree. The value modelled is the objective as accuracy on true labels (over the condition's slope),
up to a constant of its condition:

    value(x, condition) = shared(x) + own(x, rate, kind) + constant(condition) + error

with Matern-5/2 kernels over the settings x, one length scale each; `own` varies along the noise rate of one kind of
noise and is independent between kinds. How much is shared, between rates and between kinds, is estimated. The error's
variance is the binomial one of the validation images, over the slope squared, times a factor that is estimated: trials
of a condition share the images and their wrong labels, and so differ less by chance. The hyper-parameters maximise the
posterior (Rasmussen and Williams 2006, chapter 5.4.1). No target is made from true labels or test images.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codim.noise.transition import Floats
from study.dimensions.base import Dimension
from study.surrogate.task import Known, Setting, Task

with warnings.catch_warnings():
    # linear_operator still uses torch.jit, which PyTorch calls deprecated at each import.
    warnings.simplefilter("ignore", FutureWarning)
    from botorch.exceptions.errors import ModelFittingError
    from botorch.exceptions.warnings import OptimizationWarning
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.constraints import GreaterThan, Interval
    from gpytorch.kernels import Kernel, MaternKernel, RBFKernel, ScaleKernel
    from gpytorch.likelihoods.gaussian_likelihood import _GaussianLikelihoodBase
    from gpytorch.likelihoods.noise_models import Noise
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior
    from linear_operator.operators import DiagLinearOperator, ZeroLinearOperator
    from linear_operator.utils.cholesky import psd_safe_cholesky

COLLAPSED = 0.15
"""Cap on how far a trial lies below the median of its condition, in accuracy on true labels: where the cliff is
matters, not its depth."""
UNIT = 0.03
"""Accuracy that counts as 1 inside the model; the priors are relative to it."""
FITTED, MOST = 300, 500
"""Maximum number of trials to which hyper-parameters are fitted, and of trials in the model, drawn evenly; the cost is
cubic. With 300 in the model, the regret after 500 simulated trials was twice as large."""
FACTOR, CAUTIOUS_FACTOR = (0.2, 1.0), (1.0, 0.5)
"""Median, and standard deviation of the logarithm, of the prior on the error's factor; the second to claim a gain. With
it, on studies with a known bowl (tests/support/known_truth.py) and 12 to 40 trials a condition, the lower 95% bound of
a gain was above the truth in 6% of 64 cases. To search and to choose, it makes the model too slow to follow best values
that move along the noise (benchmarks/trials_to_regret.py)."""
JITTER = 1e-6
"""Variance that is added to each value that is drawn, in UNITs squared."""
LEAST = 1e-6
"""Lower bound on lengths and scales."""
STEPS = 75
"""Maximum number of steps in which the hyper-parameters are fitted."""
ASSUMED_IMAGES = 300
"""Validation images where their number is unknown."""


class Surrogate:
    """The fitted model. Its values are accuracies on true labels up to a constant: only differences at one task
    count."""

    def __init__(self, space: Mapping[str, Dimension], kinds: Sequence[str], gp: SingleTaskGP) -> None:
        self.space, self.kinds, self.gp = space, kinds, gp
        # GPyTorch's own posterior keeps lazy books that cost several times the algebra at this size.
        self._x = gp.train_inputs[0]
        with torch.no_grad():
            noise = gp.likelihood.noise_covar.variance * gp.likelihood.noise_covar.factor
            self._root = psd_safe_cholesky(self._covariance(self._x, self._x) + noise.diag())
            residual = (gp.train_targets - gp.mean_module.constant)[:, None]
            self._weights = torch.cholesky_solve(residual, self._root)

    def points(self, settings: Sequence[Setting], task: Task) -> Tensor:
        """Return the model's inputs (n, d) for n settings at a task."""
        kind = float(self.kinds.index(task.kind)) if task.kind in self.kinds else float(len(self.kinds))
        return _inputs(self.space, settings, [(task.rate, kind, -1.0)] * len(settings))

    @torch.no_grad()
    def mean(self, settings: Sequence[Setting], task: Task) -> Floats:
        """Return the posterior mean (n,) of the value of n settings at a task."""
        return self._mean(self._covariance(self.points(settings, task), self._x)).numpy() * UNIT

    @torch.no_grad()
    def draws(self, settings: Sequence[Setting], tasks: Sequence[Task], n: int, seed: int = 0) -> Floats:
        """Draw values (n, tasks, settings) from the posterior, jointly over tasks and settings."""
        x = torch.cat([self.points(settings, task) for task in tasks])
        across = self._covariance(x, self._x)
        explained = torch.linalg.solve_triangular(self._root, across.T, upper=False)
        covariance = self._covariance(x, x) - explained.T @ explained  # singular where settings repeat
        root = psd_safe_cholesky(covariance + JITTER * torch.eye(len(x), dtype=x.dtype)).numpy()
        drawn = np.random.default_rng(seed).standard_normal((n, len(root))) @ root.T
        values: Floats = (self._mean(across).numpy() + drawn).reshape(n, len(tasks), len(settings)) * UNIT
        return values

    def _covariance(self, one: Tensor, other: Tensor) -> Tensor:
        covariance: Tensor = self.gp.covar_module(one, other).to_dense()
        return covariance

    def _mean(self, across: Tensor) -> Tensor:
        """Return the posterior mean (n,) where the covariance with the trials is `across` (n, trials)."""
        mean: Tensor = self.gp.mean_module.constant + (across @ self._weights)[:, 0]
        return mean


def fit(
    space: Mapping[str, Dimension],
    tasks: Mapping[str, Task],
    known: Sequence[Known],
    like: Surrogate | None = None,
    cautious: bool = False,
) -> Surrogate | None:
    """Fit the model to the trials of all conditions whose objective can rank; None if there are none.

    Args:
        tasks: condition -> its task.
        like: a model of the same space and tasks, whose hyper-parameters are taken over unchanged.
        cautious: expect errors as large as the binomial ones (CAUTIOUS_FACTOR).
    """
    known = [trial for trial in known if tasks[trial.condition].ranks and math.isfinite(trial.objective)]
    if not known:
        return None
    known = [known[i] for i in _evenly(len(known), MOST)]
    kinds = sorted({task.kind for task in tasks.values()})
    conditions = sorted(tasks)
    x = _inputs(
        space,
        [trial.setting for trial in known],
        [
            (tasks[name].rate, float(kinds.index(tasks[name].kind)), float(conditions.index(name)))
            for name in (trial.condition for trial in known)
        ],
    )
    y, variance = _targets(tasks, known)
    learnt = like.gp if like else _learnt(x, y, variance, cautious)
    gp = _process(x, y, variance, cautious)
    gp.mean_module.load_state_dict(learnt.mean_module.state_dict())
    gp.covar_module.load_state_dict(learnt.covar_module.state_dict())
    gp.likelihood.noise_covar.raw_factor.data.copy_(learnt.likelihood.noise_covar.raw_factor)
    return Surrogate(space, kinds, gp.eval())


def _learnt(x: Tensor, y: Tensor, variance: Tensor, cautious: bool) -> SingleTaskGP:
    """Return a process whose hyper-parameters are fitted."""
    some = _evenly(len(x), FITTED)
    gp = _process(x[some], y[some], variance[some], cautious)
    with warnings.catch_warnings():
        # Reaching the limit of steps is no fault.
        warnings.simplefilter("ignore", OptimizationWarning)
        likelihood = ExactMarginalLogLikelihood(gp.likelihood, gp)
        with suppress(ModelFittingError):  # the start, at the priors' middle, stays then
            fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": STEPS}})
    return gp


def _evenly(n: int, most: int) -> list[int]:
    return [round(i) for i in np.linspace(0, n - 1, min(n, most))]


def _targets(tasks: Mapping[str, Task], known: Sequence[Known]) -> tuple[Tensor, Tensor]:
    """Values and binomial variances of the trials, both (n,), in UNITs."""
    conditions = np.array([trial.condition for trial in known])
    objective = np.array([trial.objective for trial in known])
    value, variance = np.zeros_like(objective), np.zeros_like(objective)
    for condition in np.unique(conditions):
        task, own = tasks[condition], conditions == condition
        middle = float(np.median(objective[own]))
        clean = (objective[own] - middle) / task.slope
        value[own] = clean.clip(min=-COLLAPSED)
        p = min(max(middle, 0.02), 0.98)
        variance[own] = p * (1 - p) / (task.validation_images or ASSUMED_IMAGES) / task.slope**2
    return torch.from_numpy(value / UNIT), torch.from_numpy(variance / UNIT**2)


def _inputs(
    space: Mapping[str, Dimension], settings: Sequence[Setting], of: Sequence[tuple[float, float, float]]
) -> Tensor:
    """Inputs (n, d + 3): coordinates of the setting, noise rate, index of the kind, index of the condition, or -1."""
    rows = [
        [number for path, own in space.items() for number in own.coordinates(setting.get(path))] + list(where)
        for setting, where in zip(settings, of, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.float64)


class _Same(Kernel):
    """1 where a column of both points has the same index, 0 elsewhere, and where it is -1."""

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: Any) -> Tensor:
        one, other = x1[..., 0], x2[..., 0]
        if diag:
            return (one >= 0).to(x1)
        return ((one[..., :, None] == other[..., None, :]) & (one >= 0)[..., :, None]).to(x1)


class _ScaledNoise(Noise):
    """Known variances times one factor that is estimated."""

    def __init__(self, variance: Tensor, cautious: bool) -> None:
        super().__init__()
        self.register_buffer("variance", variance)
        self.register_parameter("raw_factor", torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)))
        self.register_constraint("raw_factor", Interval(1e-3, 2.0, initial_value=0.5))
        median, spread = CAUTIOUS_FACTOR if cautious else FACTOR
        self.register_prior("factor_prior", LogNormalPrior(math.log(median), spread), lambda own: own.factor)

    @property
    def factor(self) -> Tensor:
        factor: Tensor = self.raw_factor_constraint.transform(self.raw_factor)
        return factor

    def forward(self, *inputs: Any, shape: torch.Size | None = None, **_: Any) -> Any:
        if shape is None:
            shape = inputs[0].shape[:-1] if isinstance(inputs[0], Tensor) else inputs[0][0].shape[:-1]
        if shape[-1] == len(self.variance):
            return DiagLinearOperator(self.variance * self.factor)
        return ZeroLinearOperator(*shape, shape[-1])


def _process(x: Tensor, y: Tensor, variance: Tensor, cautious: bool) -> SingleTaskGP:
    """The process before its hyper-parameters are learnt."""
    dimensions = x.shape[1] - 3

    def over_settings() -> Kernel:
        # Longer ones make planes, whose best corner then seems more certainly better than it is.
        prior, own = LogNormalPrior(-0.5, 0.3), tuple(range(dimensions))
        return MaternKernel(
            2.5, ard_num_dims=dimensions, active_dims=own, lengthscale_prior=prior, lengthscale_constraint=above_0()
        )

    def scaled(kernel: Kernel, prior: LogNormalPrior) -> Kernel:
        return ScaleKernel(kernel, outputscale_prior=prior, outputscale_constraint=above_0())

    def above_0() -> GreaterThan:
        # The usual constraint rounds to 0, where the priors end.
        return GreaterThan(LEAST)

    rate, kind, condition = dimensions, dimensions + 1, dimensions + 2
    lengths = LogNormalPrior(-1.0, 1.0)
    along = RBFKernel(active_dims=(rate,), lengthscale_prior=lengths, lengthscale_constraint=above_0())
    along = along * _Same(active_dims=(kind,))
    constant = ScaleKernel(_Same(active_dims=(condition,)))
    constant.outputscale = 4.0
    constant.raw_outputscale.requires_grad_(False)
    kernel = (
        scaled(over_settings(), LogNormalPrior(-1.0, 1.0))
        + scaled(over_settings() * along, LogNormalPrior(-1.5, 1.0))
        + constant
    )
    likelihood = _GaussianLikelihoodBase(noise_covar=_ScaledNoise(variance, cautious))
    return SingleTaskGP(x, y[:, None], likelihood=likelihood, covar_module=kernel, outcome_transform=None).double()
