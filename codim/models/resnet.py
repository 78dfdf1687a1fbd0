"""ResNet-18 and ResNet-50 (He et al. 2015, arXiv 1512.03385) of torchvision, for large images or with a CIFAR stem."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codim.config.network import Stem


def resnet(name: str, channels: int, stem: Stem, weights: Path | None) -> tuple[nn.Module, int]:
    """Return the encoder (N, channels, H, W) -> (N, 512) for resnet18, (N, 2048) for resnet50, and its output size.

    The weights have torchvision's names, without `fc`.

    Raises:
        ValueError: `weights` is not a state dict of this network with torchvision's names, or the images are not RGB.
    """
    from torchvision.models import get_model  # doubles the time to import codim, and few trainings need it

    net: Any = get_model(name, weights=None)
    dim: int = net.fc.in_features
    net.fc = nn.Identity()
    if stem == "cifar":
        net.maxpool = nn.Identity()
    kernel, stride = (3, 1) if stem == "cifar" else (7, 2)
    net.conv1 = nn.Conv2d(channels, 64, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    if weights is not None:
        if channels != 3:
            raise ValueError(f"network/weights: {weights} is for images of 3 channels, these have {channels}")
        _load(net, name, weights)
    return net, dim


def _load(net: nn.Module, name: str, path: Path) -> None:
    wanted = f"a state dict of torchvision's {name}"
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many types for damaged files
        raise ValueError(f"network/weights: {path} cannot be read as {wanted}: {error}") from error
    if not isinstance(saved, dict):
        raise ValueError(f"network/weights: {path} is not {wanted}: it holds a {type(saved).__name__}")
    saved = {key: value for key, value in saved.items() if not str(key).startswith("fc.")}
    own = net.state_dict()
    # torchvision's older files have no batch counters; torch sets them to 0.
    faults = [f"no {key}" for key in own if key not in saved and not key.endswith(".num_batches_tracked")]
    faults += [f"unknown {key}" for key in saved if key not in own]
    faults += [
        f"{key} is {_kind(saved[key])}, not {_kind(own[key])}"
        for key in own
        if key in saved and _kind(saved[key]) != _kind(own[key])
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ValueError(f"network/weights: {path} is not {wanted}: {'; '.join(faults[:3])}{more}")
    net.load_state_dict(saved, strict=False)


def _kind(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__
