"""The base of every kind of noise, and the kind without noise."""

import math
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from codim.noise.transition import Floats, Labels, confusable_slope
from codim.section import Section

Images = NDArray[np.uint8]
Rate = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
NOMINAL = "nominal"
"""Context of a validation of settings whose files are elsewhere (codim/data/nominal.py)."""


class NoiseKind(Section):
    """A kind of noise: its settings, what it does to labels, and what it does to accuracy on them.

    A new kind is a subclass in a file of its own, with a `kind` that names it, and its name in codim/noise/kinds.py;
    from outside this package, `register_noise_kind` adds it.
    """

    reads_images: ClassVar[bool] = False
    """The given labels depend on the images."""
    changes_images: ClassVar[bool] = False
    """Some images are exchanged for those of another data set; such a kind extends OpenSetNoise."""
    draws_labels: ClassVar[bool] = True
    """The given labels follow from the settings; False: they stand in a file."""

    kind: str

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        """Return the given labels (N,) of samples with true `labels` (N,) and `images` (N, C, H, W).

        Raises:
            ValueError: the noise does not fit the classes or the labels.
        """
        raise NotImplementedError

    def slope(self, classes: int) -> float:
        """How much expected accuracy on given labels moves with accuracy on true labels, from the settings."""
        raise NotImplementedError

    @classmethod
    def realised_slope(cls, rate: float, transition: Floats, classes: int) -> float:
        """The same from what the noise did: the share of wrong labels and the (K, K) transition matrix; NaN where they
        are unknown."""
        return confusable_slope(transition) if len(transition) > 1 else math.nan

    @property
    def nominal_rate(self) -> float:
        """`rate`, in [0, 1]; NaN where the kind has none."""
        return float(getattr(self, "rate", math.nan))

    @property
    def label(self) -> str:
        """Short name with the rate, such as symmetric-0.5; names files."""
        return f"{self.kind}-{self.nominal_rate:g}"

    @property
    def files(self) -> list[Path]:
        """Files that the given labels depend on."""
        return []

    def redrawn(self, shift: int) -> Self:
        """Return another draw of the same noise, its seed raised by `shift`; itself where nothing is drawn."""
        seed = getattr(self, "seed", None)
        return self if seed is None else self.model_copy(update={"seed": seed + shift})


class NoNoise(NoiseKind):
    """The given labels are the true ones."""

    kind: Literal["none"] = "none"
    """Names this kind of noise."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        return labels.copy()

    def slope(self, classes: int) -> float:
        return 1.0

    @property
    def nominal_rate(self) -> float:
        return 0.0

    @property
    def label(self) -> str:
        return self.kind
