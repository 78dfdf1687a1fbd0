"""The kinds of noise by name, and settings read as one of them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, TypeAdapter, ValidationInfo
from pydantic_core import PydanticCustomError

from codim.noise.asymmetric import AsymmetricNoise
from codim.noise.base import NoiseKind, NoNoise
from codim.noise.file import FileNoise
from codim.noise.instance import InstanceNoise
from codim.noise.openset import OpenSetNoise
from codim.noise.pairflip import PairFlipNoise
from codim.noise.symmetric import SymmetricNoise

NOISE_KINDS: dict[str, type[NoiseKind]] = {}


def register_noise_kind(noise: type[NoiseKind]) -> None:
    """Add a kind of noise, by the default of its field `kind`, to those that settings may name.

    Each process that reads such settings must do so, the workers of a study too.
    """
    NOISE_KINDS[noise.model_fields["kind"].default] = noise


for _noise in (NoNoise, SymmetricNoise, AsymmetricNoise, PairFlipNoise, InstanceNoise, OpenSetNoise, FileNoise):
    register_noise_kind(_noise)


def _of_its_kind(settings: Any, info: ValidationInfo) -> Any:
    if not isinstance(settings, Mapping):
        return settings
    kind = settings.get("kind")
    if kind not in [*NOISE_KINDS]:
        fault = f"kind {kind!r} is unknown" if "kind" in settings else "kind is missing"
        allowed = {"fault": fault, "names": ", ".join(NOISE_KINDS)}
        raise PydanticCustomError("noise_kind", "{fault}; allowed: {names}", allowed)
    return NOISE_KINDS[kind].model_validate(settings, context=info.context)


NoiseSpec = Annotated[SerializeAsAny[NoiseKind], BeforeValidator(_of_its_kind)]
NOISE_ADAPTER: TypeAdapter[NoiseKind] = TypeAdapter(NoiseSpec)
