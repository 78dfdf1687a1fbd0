"""Encoders of timm and torchvision by name, `timm:MODEL` or `torchvision:MODEL`, and the images that their published
weights were trained on.

The libraries, and with them torch, are imported where such an encoder is named, and nowhere else.
"""

import math
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple

from codim.extras import require_extra


class ModelInput(NamedTuple):
    """Images that the published weights of a model expect."""

    side: int
    """Side of the square images in pixels."""
    resized: int
    """Shorter side to which a photo is scaled before its central square of `side` pixels is taken."""
    mean: tuple[float, ...]
    """Mean per channel that is subtracted, of pixels in [0, 1]."""
    std: tuple[float, ...]
    """Standard deviation per channel, likewise."""


PLANNED = {
    "torchvision:resnet50": ModelInput(224, 232, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "timm:inception_resnet_v2": ModelInput(299, 333, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Encoders that data sets have by default, as their libraries describe them: a study of these is planned without
torch."""
MISSING = ("googlenet", "inception_v3")
"""Models of torchvision with auxiliary classifiers, which have no place here."""
SHOWN = 4
"""Number of close names in a message about an unknown one."""


def library_of(name: str) -> str:
    """Return timm or torchvision for the name of an encoder of theirs; else an empty string."""
    library, colon, _ = name.partition(":")
    return library if colon and library in _INPUTS else ""


@cache
def model_input(name: str) -> ModelInput:
    """Return what the model `timm:MODEL` or `torchvision:MODEL` expects of images; nothing is downloaded.

    Raises:
        ValueError: timm is not installed, or the library has no such model; names the closest ones.

    Example:
        >>> model_input("torchvision:resnet50")[:2]
        (224, 232)
    """
    if library_of(name) == "timm":
        require_extra("encoders", name)
    return PLANNED.get(name) or described(name)


def described(name: str) -> ModelInput:
    """Return `model_input` as the library says. Raises ValueError: it has no such model."""
    library, _, model = name.partition(":")
    return _INPUTS[library](model)


def _of_timm(model: str) -> ModelInput:
    import timm

    try:
        found = timm.get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError:
        found = None
    if found is None:
        raise _unknown("timm", model, [*timm.list_models(), *timm.list_models(pretrained=True)])
    side = max(found.input_size[1:])
    return ModelInput(side, math.floor(side / found.crop_pct), found.mean, found.std)


def _of_torchvision(model: str) -> ModelInput:
    from torchvision import models

    known = [name for name in models.list_models(module=models) if name not in MISSING]
    if model not in known:
        raise _unknown("torchvision", model, known)
    found = models.get_model_weights(model).DEFAULT.transforms()
    return ModelInput(found.crop_size[0], found.resize_size[0], tuple(found.mean), tuple(found.std))


_INPUTS: dict[str, Callable[[str], ModelInput]] = {"timm": _of_timm, "torchvision": _of_torchvision}


def _unknown(library: str, model: str, known: Iterable[str]) -> ValueError:
    names = sorted(set(known))
    close = get_close_matches(model, names, SHOWN, cutoff=0.5)
    allowed = f"close ones: {', '.join(close)}" if close else f"its {len(names)} models include {', '.join(names[:3])}"
    return ValueError(f"{library} has no model {model!r}; {allowed}")
