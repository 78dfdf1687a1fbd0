"""Co-divide: per-sample losses -> two-component Gaussian mixture -> clean probability of each label -> division."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from codim.config.divide import DivideConfig
from codim.division.mixture import fit_mixture
from codim.metrics import SplitState


@dataclass(frozen=True)
class Division:
    """Division of an epoch's images into a labelled and an unlabelled set by one network; its peer trains on it."""

    index: Tensor
    """Indices into TrainingData.images, (N,) int64."""
    clean_probability: Tensor
    """Probability that each given label is correct, (N,) float32 in [0, 1]."""
    labelled: Tensor
    """Which images are labelled, (N,) bool."""
    threshold: float
    """Threshold on the clean probability, after clipping."""
    separation: float
    """Separation of the mixture; NaN if none was fitted."""
    state: SplitState
    loss_bin: Tensor | None = None
    """Bin of the scaled loss, of LOSS_BINS equal parts of [0, 1], (N,) uint8; None if no losses were divided."""

    def to(self, device: torch.device | str) -> "Division":
        tensors: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **tensors)


FEWEST_OF_A_CLASS = 20
"""Smallest number of images of a class to which a mixture of its own is fitted."""
LOSS_BINS = 20
"""Number of bins of the histograms of scaled losses."""
SEVERITY: tuple[SplitState, ...] = ("none", "given", "ok", "clipped", "unimodal", "degenerate")


def scale_losses(losses: Tensor) -> Tensor:
    """Scale (N,) losses to [0, 1]; constant losses become 1/2, non-finite ones 1."""
    losses = losses.double()
    finite = torch.isfinite(losses)
    if not finite.any():
        return torch.full_like(losses, 0.5)
    low, high = losses[finite].min(), losses[finite].max()
    if high == low:
        return torch.where(finite, 0.5, 1.0).double()
    return torch.where(finite, (losses - low) / (high - low), 1.0)


def divide(
    scaled: Tensor, index: Tensor, labels: Tensor, config: DivideConfig, trusted: Tensor | None = None
) -> list[Division]:
    """Divide the images `index` (N,) by their scaled losses (B, N) under each of B networks, already averaged over the
    history. Neither set is empty, and nothing is NaN.

    Args:
        labels: (N,) given labels of these images, read with `divide/by_class` alone.
        trusted: (N,) bool, not all: labels that are known to be right. They have clean probability 1, belong to the
            labelled set, and are left out of the mixture.

    States: ok; clipped: the threshold left one side empty and was moved to [min w + 1e-5, max w - 1e-5] (as C2D's
    code); unimodal: the mixture's means are closer than one pooled standard deviation, or one component is empty;
    degenerate: losses carry no order, every w is 1/2 and every second sample is labelled.
    """
    if trusted is not None and trusted.any():
        rest = ~trusted
        others = divide(scaled[:, rest], index[rest], labels[rest], config)
        return [_with_trusted(own, index, rest, losses) for own, losses in zip(others, scaled, strict=True)]
    mixture = fit_mixture(scaled, config.reg_covar)
    w = mixture.posterior(scaled)
    if config.by_class:
        w = _posterior_by_class(scaled, labels, w, config)
    spread = scaled.amax(1) - scaled.amin(1)
    summary = torch.stack([spread, w.amin(1), w.amax(1), mixture.separation, mixture.weights.amin(1)], dim=1)
    rows = summary.tolist()  # the only transfer from the device
    return [
        replace(_division(own, losses, index, config, row), loss_bin=_bins(losses))
        for own, row, losses in zip(w, rows, scaled, strict=True)
    ]


def _with_trusted(others: Division, index: Tensor, rest: Tensor, scaled: Tensor) -> Division:
    """Return the division `others` of the images `rest` (N,) bool, with the trusted ones among all N."""
    probability, labelled = torch.ones(len(index), device=index.device), torch.ones_like(rest)
    probability[rest], labelled[rest] = others.clean_probability, others.labelled
    return replace(others, index=index, clean_probability=probability, labelled=labelled, loss_bin=_bins(scaled))


def _posterior_by_class(scaled: Tensor, labels: Tensor, overall: Tensor, config: DivideConfig) -> Tensor:
    """Clean probabilities (B, N) from one mixture for each given class, `overall` where a class has too few losses."""
    w = overall.clone()
    for k in labels.unique():
        members = labels == k
        own = scaled[:, members]
        if own.shape[1] >= FEWEST_OF_A_CLASS:
            fitted = fit_mixture(own, config.reg_covar).posterior(own)
            w[:, members] = torch.where(own.amax(1, keepdim=True) > own.amin(1, keepdim=True), fitted, w[:, members])
    return w


def _bins(scaled: Tensor) -> Tensor:
    return (scaled * LOSS_BINS).clamp(max=LOSS_BINS - 1).to(torch.uint8)


def loss_histogram(divisions: Sequence[Division], among: Tensor | None = None) -> list[int]:
    """Count the samples of all divisions together in each of the LOSS_BINS; empty if no losses were divided.

    Args:
        among: (images,) bool: which samples count; all by default.
    """
    bins = [d.loss_bin if among is None else d.loss_bin[among[d.index]] for d in divisions if d.loss_bin is not None]
    counts: list[int] = torch.cat(bins).bincount(minlength=LOSS_BINS).tolist() if bins else []
    return counts


def _division(w: Tensor, scaled: Tensor, index: Tensor, config: DivideConfig, summary: list[float]) -> Division:
    """Build one network's division. `summary`: range of losses, smallest and largest w, separation, smaller weight."""
    spread, lowest, highest, separation, weight = summary
    low, high = lowest + 1e-5, highest - 1e-5
    if spread == 0 or low >= high:
        every_second = torch.arange(len(w), device=w.device) % 2 == 0
        half = torch.full_like(w, 0.5).float()
        return Division(index, half, every_second, config.p_threshold, float("nan"), "degenerate")
    if config.noise_rate is None:
        threshold = min(max(config.p_threshold, low), high)
        labelled = w > threshold
    else:
        labelled = _most_probable(w, scaled, config.noise_rate)
        threshold = w[labelled].min().item()
    state: SplitState = "ok" if config.noise_rate is not None or threshold == config.p_threshold else "clipped"
    if separation < 1 or weight < 1 / len(w):
        state = "unimodal"
    return Division(index, w.float(), labelled, threshold, separation, state)


def _most_probable(w: Tensor, scaled: Tensor, noise_rate: float) -> Tensor:
    """Mark the share 1 - noise_rate of (N,) samples whose labels are most probably right; among equal clean
    probabilities, as of the many that round to 1, those of lowest loss. Neither side is empty."""
    count = min(max(round((1 - noise_rate) * len(w)), 1), len(w) - 1)
    by_loss = scaled.argsort(stable=True)
    order = by_loss[w[by_loss].argsort(descending=True, stable=True)]
    labelled = torch.zeros_like(w, dtype=torch.bool)
    labelled[order[:count]] = True
    return labelled
