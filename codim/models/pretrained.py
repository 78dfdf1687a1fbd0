"""Encoders of timm and torchvision, without their classifiers, for weights that others trained.

They contain neither dropout nor stochastic depth: these would draw from torch's global generator, and a training that
resumes would not repeat itself.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from codim.config.network import NetworkConfig
from codim.config.pretrained import ModelInput, library_of
from codim.models.weights import Weights, load_weights

CLASSES = 1000
"""Classes of a classifier that is taken off again: its weights have a name only where it has some."""


class Scaled(nn.Module):
    """Scaling of images to squares of `side` pixels; images of that size pass unchanged."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        size = (self.side, self.side)
        return x if x.shape[2:] == size else interpolate(x, size, mode="bilinear", antialias=True)


class Model(NamedTuple):
    """A model without its classifier."""

    net: nn.Module
    classifier: set[str]
    """Names of the classifier's weights in a file."""
    adapted: Callable[[Weights], Weights] | None = None
    """Function that brings weights of other sources into the form of this model, if there is one."""


def pretrained(config: NetworkConfig, channels: int) -> tuple[nn.Module, int]:
    """Build the encoder (N, 3, H, W) -> (N, D), with the weights in `config.weights` if given; return it and D.

    Raises:
        ValueError: the images have other than three channels, the model cannot take them at `config.input_size`, or the
            weights are of another model.
    """
    wanted, model = config.published, config.name.partition(":")[2]
    if wanted is None:
        return _with_small_stem(model, channels)
    if channels != 3:
        raise ValueError(f"network/name: {config.name} takes images of 3 channels, these have {channels}")
    build = {"timm": _of_timm, "torchvision": _of_torchvision}[library_of(config.name)]
    try:
        found = build(model, wanted)
        with torch.no_grad():
            dim = found.net.eval()(torch.zeros(1, 3, wanted.side, wanted.side)).shape[1]
    except Exception as error:  # an assertion of the model, or of a layer that no pixel is left for
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"network/input_size: {config.name} cannot take images of {wanted.side}x{wanted.side} pixels: {reason}"
        ) from error
    if config.weights is not None:
        load_weights(found.net, config.name, config.weights, found.classifier, found.adapted)
    return nn.Sequential(Scaled(wanted.side), found.net.train()), dim


def _of_timm(model: str, wanted: ModelInput) -> Model:
    import timm
    from timm.layers.drop import DropPath

    known = timm.get_pretrained_cfg(model)
    sized: dict[str, Any] = {"img_size": wanted.side} if known and known.fixed_input_size else {}
    net: Any = timm.create_model(model, pretrained=False, num_classes=CLASSES, **sized)
    _without_chance(net, DropPath, "drop_prob")
    names = set(net.state_dict())
    net.reset_classifier(0)
    # timm's own name for what brings weights of a model's authors into its form.
    convert: Any = getattr(sys.modules[timm.models.model_entrypoint(model).__module__], "checkpoint_filter_fn", None)
    adapted = None if convert is None else partial(convert, model=net)
    return Model(net, names - set(net.state_dict()), adapted)


def _of_torchvision(model: str, _: ModelInput) -> Model:
    from torchvision.models import get_model  # doubles the time to import codim, and few trainings need it
    from torchvision.ops import StochasticDepth

    net: Any = get_model(model, weights=None)
    _without_chance(net, StochasticDepth, "p")
    names = set(net.state_dict())
    # Every model of torchvision defines its classifier last; SqueezeNet's is a convolution before the mean.
    last = [name for name, module in net.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    net.set_submodule(last, nn.Identity())
    return Model(net, names - set(net.state_dict()))


def _without_chance(net: nn.Module, depth: type[nn.Module], rate: str) -> None:
    """Set the rates of dropout and of the library's stochastic depth, its attribute `rate`, to 0."""
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, depth):
            setattr(module, rate, 0.0)


def _with_small_stem(model: str, channels: int) -> tuple[nn.Module, int]:
    """Build a ResNet (N, channels, H, W) -> (N, D) of torchvision for images of 32x32 pixels; return it and D."""
    from torchvision.models import get_model

    net: Any = get_model(model, weights=None)
    dim: int = net.fc.in_features
    net.fc, net.maxpool = nn.Identity(), nn.Identity()
    net.conv1 = nn.Conv2d(channels, 64, 3, 1, padding=1, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    return net, dim
