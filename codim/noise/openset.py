"""Open-set and closed-set noise together."""

from typing import ClassVar, Literal

import numpy as np

from codim.noise.base import Images, NoiseKind, Rate, Seed
from codim.noise.transition import Labels


class OpenSetNoise(NoiseKind):
    """Open-set and closed-set noise together (Sachdeva et al. 2021, EvidentialMix).

    `rate` * N samples, drawn over the whole set, are noisy. A share `open_share` of them keep their label and get an
    image of another data set, which belongs to none of the classes; the others keep their image and get a label drawn
    uniformly over all classes, the true one included.
    """

    changes_images: ClassVar[bool] = True

    kind: Literal["openset"] = "openset"
    """Name of this kind of noise."""
    rate: Rate
    """Share of noisy samples, open-set and closed-set together (the nominal rate; rho in the paper)."""
    open_share: Rate
    """Share of the noisy samples whose image is replaced (1 - omega in the paper)."""
    source: str
    """Name of the data set whose training part supplies the images; they must have the same shape, and no overlap."""
    seed: Seed = 0
    """Seed of the draw; the same seed gives the same labels and images."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        """Apply the closed-set part; `load_data` replaces the images."""
        rng, chosen, count = self._noisy(labels)
        closed = chosen[count:]
        given = labels.copy()
        given[closed] = rng.integers(0, num_classes, len(closed))
        return given

    def slope(self, classes: int) -> float:
        return 1 - self.rate

    def replaced(self, labels: Labels) -> Labels:
        """Return the sorted indices of the samples whose images are replaced."""
        _, chosen, count = self._noisy(labels)
        return np.sort(chosen[:count])

    def replacements(self, labels: Labels, available: int) -> Labels:
        """Return indices into the `available` images of the other data set, one for each of `replaced`, without
        repetition. Raises ValueError: too few."""
        rng, _, count = self._noisy(labels)
        if count > available:
            raise ValueError(f"noise/source {self.source!r} has {available} images, the noise exchanges {count}")
        return rng.spawn(1)[0].permutation(available)[:count]

    def _noisy(self, labels: Labels) -> tuple[np.random.Generator, Labels, int]:
        """Return the generator, the noisy samples in random order, and how many, from the first, are open-set."""
        rng = np.random.default_rng(self.seed)
        chosen = rng.permutation(len(labels))[: round(self.rate * len(labels))]
        return rng, chosen, round(self.open_share * len(chosen))
