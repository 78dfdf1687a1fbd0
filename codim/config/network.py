"""Settings of the network."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from codim.section import AbsolutePath, Section

Stem = Literal["imagenet", "cifar"]


class EncoderFacts(NamedTuple):
    """Facts about an encoder that settings are checked against; its code is in codim/models/."""

    width: int | None = None
    """Default number of channels of the first stage; None: the width is fixed."""
    torchvision: bool = False
    """Whether the encoder has both stems and loads weights with torchvision's names."""
    vectors: bool = False
    """Whether the encoder takes embeddings (N, D) in place of images."""


ENCODER_FACTS = {
    "small_cnn": EncoderFacts(width=16),
    "airbench": EncoderFacts(width=64),
    "preact_resnet18": EncoderFacts(width=64),
    "resnet18": EncoderFacts(torchvision=True),
    "resnet50": EncoderFacts(torchvision=True),
    "inception_resnet_v2": EncoderFacts(),
    "mlp": EncoderFacts(width=256, vectors=True),
    "identity": EncoderFacts(vectors=True),
}


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}"


class NetworkConfig(Section):
    """Settings of the network, the same for both peers."""

    name: str = "small_cnn"
    """Encoder: small_cnn, airbench, preact_resnet18, resnet18, resnet50 or inception_resnet_v2; of embeddings mlp, or
    identity (a linear classifier of the embeddings, which pre-training and the contrastive term cannot change)."""
    width: int | None = Field(default=None, ge=1)
    """Channels of the first stage of small_cnn (None: 16), airbench and preact_resnet18 (None: 64, as in the
    literature); units of the hidden layer of mlp (None: 256). The other encoders have a fixed width and allow only
    None."""
    stem: Stem = "imagenet"
    """Stem of resnet18 and resnet50. imagenet: 7x7 convolution of stride 2 and max pooling, for about 224x224 pixels.
    cifar: 3x3 convolution of stride 1, no pooling, for 32x32 (C2D, SupContrast's code)."""
    weights: AbsolutePath | None = None
    """Initial weights of resnet18 and resnet50 with the imagenet stem: a state dict with torchvision's names; its
    classifier `fc` is ignored."""
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
        if name not in ENCODER_FACTS:
            raise ValueError(f"unknown encoder; allowed: {', '.join(ENCODER_FACTS)}")
        return name

    @model_validator(mode="after")
    def _fits_the_encoder(self) -> "NetworkConfig":
        facts = ENCODER_FACTS[self.name]
        widths = _listed(name for name, facts in ENCODER_FACTS.items() if facts.width)
        resnets = _listed(name for name, facts in ENCODER_FACTS.items() if facts.torchvision)
        if self.width is not None and not facts.width:
            raise ValueError(f"width {self.width}: {self.name} has a fixed width; only {widths} accept one")
        if self.stem == "cifar" and not facts.torchvision:
            raise ValueError(f"stem 'cifar': {self.name} has a fixed stem; only {resnets} offer a choice")
        if self.weights is not None:
            if not facts.torchvision or self.stem == "cifar":
                raise ValueError(f"weights {self.weights}: only {resnets} with stem 'imagenet' accept a weights file")
            if not self.weights.is_file():
                raise ValueError(f"weights {self.weights}: the file does not exist")
        return self

    @property
    def channels(self) -> int:
        """Channels of the first stage, for an encoder of configurable width."""
        width = self.width or ENCODER_FACTS[self.name].width
        assert width
        return width
