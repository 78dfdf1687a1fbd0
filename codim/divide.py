"""Per-sample losses -> two-component Gaussian mixture -> probability that a given label is clean -> division of the
data."""

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from codim.metrics import SplitState
from codim.section import AbsolutePath, Section


class DivideConfig(Section):
    """Co-divide: which samples count as labelled."""

    split: Literal["mixture", "given"] = "mixture"
    """mixture: those whose losses say that their label is right. given: a fixed set, all its labels trusted and no
    other label read; there is no warm-up then (CSSL)."""
    p_threshold: float = Field(default=0.5, ge=0, le=1)
    """Samples with a clean probability above this are the labelled set. (.5; .6 at symmetric .9; C2D .03 at CIFAR-100
    sym .8)"""
    loss_history: int = Field(default=1, ge=1)
    """Number of epochs, of warm-up too, whose scaled losses are averaged. (The reference code takes 5 where the *true*
    rate is .9, and begins after the warm-up.)"""
    reg_covar: float = Field(default=5e-4, gt=0)
    """Added to the variances of the mixture."""
    labels_per_class: int = Field(default=0, ge=0)
    """given: so many samples of each class are labelled; 0: `labelled_file` says which."""
    labels_seed: int = Field(default=0, ge=0)
    """given: of the draw of `labels_per_class`."""
    labelled_file: AbsolutePath | None = None
    """given: .npy, or text with a number a line: places of the labelled images in the order of the training set, from
    0."""

    @model_validator(mode="after")
    def _given(self) -> Self:
        ways = bool(self.labels_per_class) + (self.labelled_file is not None)
        if ways != (self.split == "given"):
            allowed = "with split: given either labels_per_class or labelled_file; with split: mixture neither"
            raise ValueError(
                f"split: {self.split} with {ways} of labels_per_class and labelled_file; allowed: {allowed}"
            )
        if self.labelled_file is not None and not self.labelled_file.is_file():
            raise ValueError(f"labelled_file: {self.labelled_file} does not exist")
        return self


@dataclass(frozen=True)
class Mixture:
    """A two-component mixture in one dimension, the component of the smaller mean first; all tensors (2,) float64."""

    weights: Tensor
    means: Tensor
    variances: Tensor

    def posterior(self, x: Tensor) -> Tensor:
        """(N,) probability of the component with the smaller mean."""
        return _log_joint(x.double(), self.weights, self.means, self.variances).softmax(1)[:, 0]

    @property
    def separation(self) -> float:
        """Distance of the means over the pooled standard deviation."""
        return float((self.means[1] - self.means[0]) / self.variances.mean().sqrt())


def fit_mixture(x: Tensor, reg_covar: float, max_iterations: int = 100, tolerance: float = 1e-3) -> Mixture:
    """Expectation maximisation on (N,) values from a 2-means start, in float64; no randomness.

    Same model, start and stopping rule (gain of the mean log-likelihood) as scikit-learn's GaussianMixture(2), the
    oracle of the tests; written out because it then runs on the device and draws nothing.
    """
    x = x.double()
    upper = _two_means(x)
    r = torch.stack([~upper, upper], dim=1).double()
    previous = -torch.inf
    for _ in range(max_iterations):
        mass = r.sum(0) + 10 * torch.finfo(x.dtype).eps
        means = (r * x[:, None]).sum(0) / mass
        variances = (r * (x[:, None] - means).square()).sum(0) / mass + reg_covar
        weights = mass / mass.sum()
        joint = _log_joint(x, weights, means, variances)
        likelihood = joint.logsumexp(1).mean().item()
        r = joint.softmax(1)
        if abs(likelihood - previous) < tolerance:
            break
        previous = likelihood
    order = means.argsort()
    return Mixture(weights[order], means[order], variances[order])


def _two_means(x: Tensor) -> Tensor:
    """(N,) bool: the upper cluster of Lloyd's algorithm, started at the extremes."""
    low, high = x.min(), x.max()
    upper = x > (low + high) / 2
    for _ in range(100):
        low, high = x[~upper].mean(), x[upper].mean()
        moved = x > (low + high) / 2
        if not moved.any() or torch.equal(moved, upper):
            break
        upper = moved
    return upper


def _log_joint(x: Tensor, weights: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    log_density = -0.5 * ((x[:, None] - means).square() / variances + (2 * torch.pi * variances).log())
    return log_density + weights.log()


@dataclass(frozen=True)
class Division:
    """What one network makes of the images of an epoch; its peer is trained with it."""

    index: Tensor
    """(N,) int64: which of TrainingData.images."""
    clean_probability: Tensor
    """(N,) float32 in [0, 1]."""
    labelled: Tensor
    """(N,) bool."""
    threshold: float
    """After clipping."""
    separation: float
    """Of the mixture; NaN where none was fitted."""
    state: SplitState

    def to(self, device: torch.device | str) -> "Division":
        index, labelled = self.index.to(device), self.labelled.to(device)
        return replace(self, index=index, labelled=labelled, clean_probability=self.clean_probability.to(device))


SEVERITY: tuple[SplitState, ...] = ("none", "given", "ok", "clipped", "unimodal", "degenerate")


def scale_losses(losses: Tensor) -> Tensor:
    """Scale (N,) losses to [0, 1]; constant losses and non-finite ones become 1/2 and 1."""
    losses = losses.double()
    finite = torch.isfinite(losses)
    if not finite.any():
        return torch.full_like(losses, 0.5)
    low, high = losses[finite].min(), losses[finite].max()
    if high == low:
        return torch.where(finite, 0.5, 1.0).double()
    return torch.where(finite, (losses - low) / (high - low), 1.0)


def divide(scaled: Tensor, index: Tensor, config: DivideConfig) -> Division:
    """Divide the images `index` (N,) by their scaled losses (N,), already averaged over the history. Never empty on
    either side, never NaN.

    States: ok; clipped: the threshold left one side empty and was moved to [min w + 1e-5, max w - 1e-5] (as C2D's
    code); unimodal: the mixture's means are closer than one pooled standard deviation, or one component is empty;
    degenerate: losses carry no order, every w is 1/2 and every second sample is labelled.
    """
    n = len(scaled)
    mixture = fit_mixture(scaled, config.reg_covar) if n > 1 and scaled.max() > scaled.min() else None
    w = mixture.posterior(scaled) if mixture else torch.full_like(scaled, 0.5)
    low, high = w.min().item() + 1e-5, w.max().item() - 1e-5
    if mixture is None or low >= high:
        every_second = torch.arange(n, device=w.device) % 2 == 0
        half = torch.full_like(w, 0.5).float()
        return Division(index, half, every_second, config.p_threshold, float("nan"), "degenerate")
    threshold = min(max(config.p_threshold, low), high)
    state: SplitState = "ok" if threshold == config.p_threshold else "clipped"
    if mixture.separation < 1 or mixture.weights.min() < 1 / n:
        state = "unimodal"
    return Division(index, w.float(), w > threshold, threshold, mixture.separation, state)
