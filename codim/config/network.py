"""Settings of the network."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from codim.section import AbsolutePath, Section

RESNETS = ("resnet18", "resnet50")
Stem = Literal["imagenet", "cifar"]
WIDTHS = {"small_cnn": 16, "preact_resnet18": 64}
"""Of the networks that come in any width: the one they have where none is named."""


class NetworkConfig(Section):
    """The network, the same for both peers."""

    name: Literal["small_cnn", "preact_resnet18", "resnet18", "resnet50", "inception_resnet_v2"] = "small_cnn"
    """Encoder, see ENCODERS."""
    width: int | None = Field(default=None, ge=1)
    """Channels of the first stage of small_cnn (None: 16) and preact_resnet18 (None: 64, as in the literature). The
    others have theirs, which leaves None only."""
    stem: Stem = "imagenet"
    """Of resnet18 and resnet50. imagenet: 7x7 convolution of stride 2 and max pooling, for about 224x224 pixels.
    cifar: 3x3 convolution of stride 1, no pooling, for 32x32 (C2D, SupContrast's code)."""
    weights: AbsolutePath | None = None
    """Of resnet18 and resnet50 with the imagenet stem: a state dict with torchvision's names, to start from; its
    classifier `fc` is left out."""
    projection_dim: int = Field(default=128, ge=2)
    """Length of the contrastive embedding."""
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    """Of the network's products. tf32: float32 with mantissas of 10 bits, on GPUs. bf16: autocast to bfloat16, on GPUs
    and on CPUs; weights, outputs, losses and targets stay in float32."""
    compile: Literal["off", "default", "graphs"] = "off"
    """default: torch.compile of the encoder in training. graphs: CUDA graphs too. Where the machine cannot, training
    goes on without and a warning says why. The first step then takes a minute; bits differ from those without."""

    @model_validator(mode="after")
    def _fits_the_encoder(self) -> "NetworkConfig":
        if self.width is not None and self.name not in WIDTHS:
            raise ValueError(f"width {self.width}: {self.name} has a width of its own, only {_names(WIDTHS)} take one")
        if self.stem == "cifar" and self.name not in RESNETS:
            raise ValueError(f"stem 'cifar': {self.name} has one stem, only {_names(RESNETS)} have a choice")
        if self.weights is not None:
            if self.name not in RESNETS or self.stem == "cifar":
                raise ValueError(f"weights {self.weights}: only {_names(RESNETS)} with stem 'imagenet' take a file")
            if not self.weights.is_file():
                raise ValueError(f"weights {self.weights}: the file does not exist")
        return self


def _names(names: Iterable[str]) -> str:
    return " and ".join(names)
