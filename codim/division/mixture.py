"""Two-component Gaussian mixtures in one dimension, fitted by EM on the device."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one CPU thread: on vectors of some ten thousand numbers, threads wait for each other more than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Mixture:
    """Parameters of B two-component mixtures in one dimension, the smaller mean first; all tensors (B, 2) float64."""

    weights: Tensor
    means: Tensor
    variances: Tensor

    def log_joint(self) -> Tensor:
        """Return log(weight times density) of each component as coefficients of 1, x and x^2, (B, 2, 3)."""
        distance = self.means.square() / self.variances
        constant = self.weights.log() - 0.5 * (distance + (2 * torch.pi * self.variances).log())
        return torch.stack([constant, self.means / self.variances, -0.5 / self.variances], dim=2)

    @_one_thread()
    def posterior(self, x: Tensor) -> Tensor:
        """Return the probability (B, N) of the component with the smaller mean, for (B, N) values."""
        joint = self.log_joint()
        log_odds = joint[:, :1] - joint[:, 1:]
        parts = zip(_parts(log_odds), _parts(x.double()), strict=True)
        return torch.cat([(own @ _powers(part)).sigmoid()[:, 0] for own, part in parts])

    @property
    def separation(self) -> Tensor:
        """Distance of the means over the pooled standard deviation, (B,)."""
        return (self.means[:, 1] - self.means[:, 0]) / self.variances.mean(1).sqrt()


@_one_thread()
def fit_mixture(x: Tensor, reg_covar: float, max_iterations: int = 100, tolerance: float = 1e-3) -> Mixture:
    """Fit each row of (B, N) values in [0, 1] by EM from a 2-means start, in float64 and without randomness.

    Same model and stopping rule (gain of the mean log-likelihood) as scikit-learn's GaussianMixture(2): from the same
    start (max_iterations=0), equal to 1e-6. Reimplemented because it is ten times as fast, runs on the device, and is
    deterministic.
    """
    fits = [_expectation_maximisation(part, reg_covar, max_iterations, tolerance) for part in _parts(x.double())]
    weights, means, variances = torch.cat(fits, dim=1)
    order = means.argsort(1)
    return Mixture(weights.gather(1, order), means.gather(1, order), variances.gather(1, order))


def _expectation_maximisation(x: Tensor, reg_covar: float, max_iterations: int, tolerance: float) -> Tensor:
    """Fit (B, N) values; return weights, means and variances (3, B, 2). Rows that have converged no longer change."""
    powers = _powers(x)
    average = powers.mean(2, keepdim=True)
    fit = _maximisation(powers, _two_means(powers), reg_covar)
    previous = x.new_full((len(x), 1), -torch.inf)
    done = torch.zeros_like(previous, dtype=torch.bool)
    for i in range(max_iterations):
        joint = Mixture(*fit).log_joint()
        log_odds = (joint[:, :1] - joint[:, 1:]) @ powers
        lower = log_odds.sigmoid()
        responsibility = torch.cat([lower, 1 - lower], dim=1)
        # log(exp a + exp b) = b + log(1 + exp(a - b))
        likelihood = (joint[:, 1:] @ average)[..., 0] + _mean_softplus(log_odds, responsibility)
        fit = torch.where(done, fit, _maximisation(powers, responsibility, reg_covar))
        done = done | ((likelihood - previous).abs() < tolerance)
        previous = likelihood
        if _all(done, i):
            break
    return fit


def _mean_softplus(log_odds: Tensor, responsibility: Tensor) -> Tensor:
    """Mean of log(1 + exp(log_odds)) = max(log_odds, 0) - log(larger responsibility), (B, 1), from (B, 1, N) and (B, 2,
    N). No factor is below 1/2, so 512 of them can be multiplied before the logarithm, the most expensive step."""
    rows, _, n = log_odds.shape
    factors = F.pad(responsibility.amax(1), (0, -n % 512), value=1.0)
    logs = factors.view(rows, -1, 512).prod(2).log()
    return (log_odds.relu().sum(2) - logs.sum(1, keepdim=True)) / n


def _maximisation(powers: Tensor, responsibility: Tensor, reg_covar: float) -> Tensor:
    """M-step: weights, means and variances (3, B, 2) from (B, 3, N) powers and (B, 2, N) responsibilities."""
    mass, first, second = (responsibility @ powers.mT).unbind(2)
    mass = mass + 10 * torch.finfo(mass.dtype).eps
    means = first / mass
    variances = (second / mass - means.square()).clamp(min=0) + reg_covar
    return torch.stack([mass / mass.sum(1, keepdim=True), means, variances])


def _two_means(powers: Tensor) -> Tensor:
    """Cluster indicators (B, 2, N), 0 or 1: lower and upper cluster of Lloyd's algorithm, started at the extremes."""
    x = powers[:, 1:2]
    everything = powers[:, :2].sum(2)[:, None]
    border = (x.amin(2, keepdim=True) + x.amax(2, keepdim=True)) / 2
    upper = torch.empty_like(x)
    for i in range(100):
        torch.gt(x, border, out=upper)
        above = upper @ powers[:, :2].mT
        count, total = torch.cat([everything - above, above], dim=1).unbind(2)
        previous, border = border, (total / count.clamp(min=1)).mean(1)[:, None, None]
        if _all(border == previous, i):
            break
    return torch.cat([1 - upper, upper], dim=1)


def _powers(x: Tensor) -> Tensor:
    """Map (B, N) to (B, 3, N): 1, x and x^2, exact enough for variances because x lies in [0, 1]."""
    return torch.stack([torch.ones_like(x), x, x.square()], dim=1)


def _parts(x: Tensor) -> Sequence[Tensor]:
    """Split rows into parts that are computed together. On a GPU that is all rows, which share each kernel launch. A
    CPU gains nothing from that: each row alone stops once converged and gives the same bits whatever the other rows."""
    return x.split(1) if x.device.type == "cpu" else [x]


def _all(done: Tensor, i: int) -> bool:
    """Whether all rows are done after step `i`; on a GPU, which this synchronises with, checked every eighth step
    only."""
    return (done.device.type == "cpu" or i % 8 == 7) and bool(done.all())
