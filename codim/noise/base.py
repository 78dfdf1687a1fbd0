"""Base class of all kinds of noise, and the kind without noise."""

import math
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from numpy.typing import NDArray
from pydantic import Field

from codim.noise.transition import Floats, Labels, confusable_slope
from codim.section import Section

Images = NDArray[Any]
"""uint8 images (N, C, H, W), or embeddings (N, D) of numbers."""
Rate = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
NOMINAL = "nominal"
"""Validation context for settings whose files are on another machine (codim/data/nominal.py)."""


class NoiseKind(Section):
    """One kind of noise: its settings, its effect on labels, and its effect on accuracy measured on them.

    To add a kind, subclass this in a new file with a `kind` that names it, and list it in codim/noise/kinds.py; from
    outside this package, call `register_noise_kind`.
    """

    reads_images: ClassVar[bool] = False
    """Whether the given labels depend on the images."""
    changes_images: ClassVar[bool] = False
    """Whether some images are replaced by those of another data set; such a kind extends OpenSetNoise."""
    draws_labels: ClassVar[bool] = True
    """Whether the given labels follow from the settings; False: they are read from a file."""

    kind: str

    @abstractmethod
    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        """Return the given labels (N,) of samples with true `labels` (N,) and `images`, or embeddings.

        Raises:
            ValueError: the noise does not fit the classes or the labels.
        """

    @abstractmethod
    def slope(self, classes: int) -> float:
        """Return d(expected accuracy on given labels) / d(accuracy on true labels), from the settings."""

    @classmethod
    def realised_slope(cls, rate: float, transition: Floats, classes: int) -> float:
        """Return the `slope` of the realised noise, from the share of wrong labels and the (K, K) transition matrix, or
        NaN."""
        return confusable_slope(transition) if len(transition) > 1 else math.nan

    @property
    def nominal_rate(self) -> float:
        """Nominal noise rate `rate`, in [0, 1]; NaN if the kind has none."""
        return float(getattr(self, "rate", math.nan))

    @property
    def label(self) -> str:
        """Short name with the rate, such as symmetric-0.5; used in file names."""
        return f"{self.kind}-{self.nominal_rate:g}"

    @property
    def files(self) -> list[Path]:
        """Files that the given labels depend on."""
        return []

    def redrawn(self, shift: int) -> Self:
        """Return another draw of the same noise, with its seed raised by `shift`; `self` if nothing is random."""
        seed = getattr(self, "seed", None)
        return self if seed is None else self.model_copy(update={"seed": seed + shift})


class NoNoise(NoiseKind):
    """No noise: the given labels are the true ones."""

    kind: Literal["none"] = "none"
    """Name of this kind of noise."""

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
