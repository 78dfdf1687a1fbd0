"""Running sums per image of what the networks thought of its label, over all epochs of warm-up and co-training.

One epoch's losses say how a training ends, when wrong labels may already be known by heart; their history tells wrong
labels apart for longer. 22 bytes per image.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class LabelStatistics:
    """Sums over the epochs in which each image was evaluated, with plain views and in evaluation mode, by network."""

    epochs: Tensor
    """Number of these epochs, (N,) int16."""
    probability: Tensor
    """Sum of the probability of the given label, (2, N) float32. (Its mean is the confidence of Swayamdipta et al.
    2020, "Dataset cartography", arXiv 2009.10795, section 2.)"""
    margin: Tensor
    """Sum of the margin, the logit of the given label less the largest other one, (2, N) float32. (Its mean is the area
    under the margin of Pleiss et al. 2020, arXiv 2001.10528, section 3.1.)"""
    contradicted: Tensor
    """Number of epochs in which another class was predicted, (2, N) int16. (As forgetting counts them: Toneva et al.
    2019, arXiv 1812.05159; here without regard to their order.)"""

    @classmethod
    def empty(cls, images: int, device: torch.device | str) -> "LabelStatistics":
        whole, real = torch.zeros(images, dtype=torch.int16, device=device), torch.zeros(2, images, device=device)
        return cls(whole, real, real.clone(), whole.expand(2, -1).clone())

    def add(self, index: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add one epoch of the images `index` (n,), of which none is twice.

        Args:
            logits: (2, n, K), K > 1. labels: (n,) given labels.
        """
        column = labels.expand(2, -1)[..., None]
        given = logits.gather(2, column)[..., 0]
        others = logits.scatter(2, column, -torch.inf).amax(2)
        self.epochs[index] += 1
        self.probability[:, index] += logits.softmax(2).gather(2, column)[..., 0]
        self.margin[:, index] += given - others
        self.contradicted[:, index] += (others > given).short()

    def means(self, index: Tensor) -> "Means":
        """Return the means over the epochs, of each network, for the images `index` (n,); NaN without an epoch."""
        epochs = self.epochs[index].float()
        sums = (self.probability, self.margin, self.contradicted)
        return Means(*(own[:, index] / epochs for own in sums))

    def saved(self) -> dict[str, Tensor]:
        """Return the sums by name, for a checkpoint."""
        return asdict(self)

    @classmethod
    def restored(cls, saved: Mapping[str, Any], device: torch.device | str) -> "LabelStatistics":
        return cls(**{name: value.to(device) for name, value in saved.items()})


@dataclass(frozen=True)
class Means:
    """Means over the epochs, (2, n) each."""

    probability: Tensor
    margin: Tensor
    contradicted: Tensor

    def doubt(self, measure: str) -> Tensor:
        """Return the measure `divide/measure` such that a large value means doubt in the label, (2, n)."""
        return {
            "probability": 1 - self.probability,
            "margin": -self.margin,
            "contradictions": self.contradicted,
        }[measure]
