"""What all noise kinds share: types, rate, seed, and the kind without noise."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from codim.section import Section

Labels = NDArray[np.int64]
Images = NDArray[np.uint8]
Rate = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
NOMINAL = "nominal"
"""Context of a validation of settings whose files are elsewhere (codim/data/nominal.py)."""


class NoNoise(Section):
    """The given labels are the true ones."""

    kind: Literal["none"] = "none"
    """Names this kind of noise."""

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        return labels.copy()
