"""Settings of the network."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from codim.config.pretrained import ModelInput, library_of, model_input
from codim.section import AbsolutePath, Section

Stem = Literal["imagenet", "cifar"]


class EncoderFacts(NamedTuple):
    """Facts about an encoder that settings are checked against; its code is in codim/models/."""

    width: int | None = None
    """Default number of channels of the first stage; None: the width is fixed."""
    vectors: bool = False
    """Whether the encoder takes embeddings (N, D) in place of images."""


ENCODER_FACTS = {
    "small_cnn": EncoderFacts(width=16),
    "airbench": EncoderFacts(width=64),
    "preact_resnet18": EncoderFacts(width=64),
    "mlp": EncoderFacts(width=256, vectors=True),
    "identity": EncoderFacts(vectors=True),
}
"""Facts by name; those about models of timm and torchvision are in codim/config/pretrained.py."""
RESNETS = ("torchvision:resnet", "torchvision:resnext", "torchvision:wide_resnet")
"""Starts of the names of torchvision's ResNets."""
OF_LIBRARIES = ("timm:MODEL", "torchvision:MODEL")
"""How the models of libraries are named."""


def encoder_facts(name: str) -> EncoderFacts:
    """Return the facts about an encoder whose name is known to be right."""
    return ENCODER_FACTS.get(name, EncoderFacts())


def encoder_names(vectors: bool) -> list[str]:
    """Return the allowed names of encoders of images or, with `vectors`, of embeddings."""
    names = [name for name, facts in ENCODER_FACTS.items() if facts.vectors == vectors]
    return names if vectors else [*names, *OF_LIBRARIES]


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}"


class NetworkConfig(Section):
    """Settings of the network, the same for both peers."""

    name: str = "small_cnn"
    """Encoder: small_cnn, airbench or preact_resnet18; timm:MODEL (needs the extra `encoders` of this project) or
    torchvision:MODEL, any image model of these libraries without its classifier; of embeddings mlp, or identity (a
    linear classifier of the embeddings, which pre-training and the contrastive term cannot change)."""
    width: int | None = Field(default=None, ge=1)
    """Channels of the first stage of small_cnn (None: 16), airbench and preact_resnet18 (None: 64, as in the
    literature); units of the hidden layer of mlp (None: 256). The other encoders have a fixed width and allow only
    None."""
    stem: Stem = "imagenet"
    """Stem of torchvision's ResNets. imagenet: 7x7 convolution of stride 2 and max pooling, for about 224x224 pixels.
    cifar: 3x3 convolution of stride 1, no pooling, for 32x32 (C2D, SupContrast's code)."""
    weights: AbsolutePath | None = None
    """Initial weights of timm:MODEL or torchvision:MODEL: a state dict in a .safetensors file, or in a .pth file, of
    which nothing is executed. Its classifier is ignored. None: random ones."""
    input_size: int | None = Field(default=None, ge=8)
    """Side in pixels to which timm:MODEL and torchvision:MODEL scale the views (bilinear, antialiased); smaller is
    faster. None: what the published weights were trained on, mostly 224. Pixels are normalised as those were. The other
    encoders, and those with the cifar stem, take the views as they are."""
    projection_dim: int = Field(default=128, ge=2)
    """Dimension of the contrastive embedding."""
    precision: Literal["fp32", "tf32", "bf16", "auto"] = "fp32"
    """Precision of matrix products and convolutions. tf32: float32 with 10-bit mantissas, on GPUs. bf16: autocast to
    bfloat16, on GPUs and on CPUs; weights, outputs, losses and targets stay in float32. auto: bf16 on a CPU that
    multiplies bfloat16 numbers by instructions of its own (avx512_bf16, amx_bf16), fp32 elsewhere."""
    compile: Literal["off", "default", "graphs"] = "off"
    """default: torch.compile of the encoder in training. graphs: CUDA graphs too. If the machine cannot compile,
    training continues without, with a warning. The first step then takes a minute; results differ in the last bits."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if library_of(name):
            model_input(name)
        elif name not in ENCODER_FACTS:
            raise ValueError(f"unknown encoder; allowed: {', '.join([*ENCODER_FACTS, *OF_LIBRARIES])}")
        return name

    @model_validator(mode="after")
    def _fits_the_encoder(self) -> "NetworkConfig":
        if self.width is not None and not encoder_facts(self.name).width:
            widths = _listed(name for name, facts in ENCODER_FACTS.items() if facts.width)
            raise ValueError(f"width {self.width}: {self.name} has a fixed width; only {widths} accept one")
        if self.stem == "cifar" and not self.name.startswith(RESNETS):
            raise ValueError(f"stem 'cifar': {self.name} has a fixed stem; only torchvision's ResNets offer a choice")
        if self.weights is not None:
            if self.published is None:
                raise ValueError(
                    f"weights {self.weights}: only {' and '.join(OF_LIBRARIES)} with stem 'imagenet' accept a weights "
                    "file"
                )
            if not self.weights.is_file():
                raise ValueError(f"weights {self.weights}: the file does not exist")
        return self

    @property
    def published(self) -> ModelInput | None:
        """Images that the encoder's published weights expect, with the side of `input_size`; None for an encoder that
        has none."""
        if not library_of(self.name) or self.stem == "cifar":
            return None
        found = model_input(self.name)
        if self.input_size is None:
            return found
        return found._replace(side=self.input_size, resized=round(found.resized * self.input_size / found.side))

    @property
    def channels(self) -> int:
        """Channels of the first stage, for an encoder of configurable width."""
        width = self.width or encoder_facts(self.name).width
        assert width
        return width
