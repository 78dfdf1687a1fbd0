"""Registry of the kinds of noise by name, and the type that validates settings as one of them."""

from typing import Annotated

from pydantic import SerializeAsAny, TypeAdapter

from codim.noise.asymmetric import AsymmetricNoise
from codim.noise.base import NoiseKind, NoNoise
from codim.noise.file import FileNoise
from codim.noise.instance import InstanceNoise
from codim.noise.openset import OpenSetNoise
from codim.noise.pairflip import PairFlipNoise
from codim.noise.symmetric import SymmetricNoise
from codim.section import by_tag

NOISE_KINDS: dict[str, type[NoiseKind]] = {}


def register_noise_kind(noise: type[NoiseKind]) -> None:
    """Register a kind of noise under the default of its field `kind`, so that settings may name it.

    Each process that reads such settings must do so, the workers of a study too.

    Example:
        >>> import codim
        >>> from typing import Literal
        >>> class EverySecond(NoiseKind):
        ...     kind: Literal["every-second"] = "every-second"
        ...     def apply(self, labels, num_classes, images):
        ...         given = labels.copy()
        ...         given[::2] = 0
        ...         return given
        ...     def slope(self, classes):
        ...         return 0.5
        >>> codim.register_noise_kind(EverySecond)
        >>> codim.train_config({"noise": {"kind": "every-second"}}).noise.kind
        'every-second'
    """
    NOISE_KINDS[noise.model_fields["kind"].default] = noise


for _noise in (NoNoise, SymmetricNoise, AsymmetricNoise, PairFlipNoise, InstanceNoise, OpenSetNoise, FileNoise):
    register_noise_kind(_noise)


NoiseSpec = Annotated[SerializeAsAny[NoiseKind], by_tag("kind", NOISE_KINDS)]
NOISE_ADAPTER: TypeAdapter[NoiseKind] = TypeAdapter(NoiseSpec)
