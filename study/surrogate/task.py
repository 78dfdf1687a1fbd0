"""Facts about noise conditions and trials from which the model of the trials is fitted. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from codim.noise.transition import FLAT_SLOPE
from study.dimensions.base import Value

Setting = Mapping[str, Value]
"""`section/setting` -> value, of the dimensions whose `when` holds."""


@dataclass(frozen=True)
class Task:
    """A noise condition, as the model sees it."""

    kind: str
    """Conditions of one kind differ in the noise rate alone."""
    rate: float
    slope: float
    """Slope of the objective against accuracy on true labels (codim/noise/base.py)."""
    validation_images: int = 0
    """Images of the objective; 0: unknown."""

    @property
    def ranks(self) -> bool:
        """Whether the objective of its trials says anything about accuracy on true labels."""
        return self.slope > FLAT_SLOPE


class Known(NamedTuple):
    """A finished trial: its condition, its setting and its objective."""

    condition: str
    setting: Setting
    objective: float
