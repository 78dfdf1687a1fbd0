"""Label noise: each kind is its settings and a pure function (true labels, images, settings) -> given labels.

Definitions differ between papers; those here follow the code that the published tables were made with and say which.
"""

from typing import Annotated

from pydantic import Field, TypeAdapter

from codim.noise.asymmetric import AsymmetricNoise
from codim.noise.base import NoNoise
from codim.noise.file import FileNoise
from codim.noise.instance import InstanceNoise
from codim.noise.openset import OpenSetNoise
from codim.noise.pairflip import PairFlipNoise
from codim.noise.symmetric import SymmetricNoise

NOISE_KINDS = (NoNoise, SymmetricNoise, AsymmetricNoise, PairFlipNoise, InstanceNoise, OpenSetNoise, FileNoise)
NoiseSpec = Annotated[
    NoNoise | SymmetricNoise | AsymmetricNoise | PairFlipNoise | InstanceNoise | OpenSetNoise | FileNoise,
    Field(discriminator="kind"),
]
READ_IMAGES = ("instance",)
"""Kinds of noise that depend on the images."""
NOISE_ADAPTER: TypeAdapter[NoiseSpec] = TypeAdapter(NoiseSpec)
