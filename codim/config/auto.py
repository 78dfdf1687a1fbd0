"""Settings that are `auto`: computed from what is known of the data, before the settings are checked.

A budget is in samples and the stages are in epochs, so that lengths fit for 50,000 images fit no others. Here the
stages are shares of the budget, and a pre-training of too few gradient steps is left out.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from codim.config.budget import Speed, drawn_samples
from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, layered, merge, train_config

AUTO = "auto"
TIMED = ("train/samples", "pretrain/epochs", "warmup/epochs", "mixmatch/rampup_epochs")
"""Settings that a limit of time decides."""
PASSES = 120
"""Passes over the images in a budget, pre-training included."""
LEAST_SAMPLES, MOST_SAMPLES = 30_000, 15_000_000
PRETRAIN_SHARE = 1 / 3
"""Share of the budget for pre-training."""
LEAST_PRETRAIN_STEPS = 300
MOST_PRETRAIN_EPOCHS = 200
WARMUP_SHARE = 0.2
"""Share of the rest for the warm-up, and as many samples again for the ramp-up of `lambda_u`."""
CPU_SIDE, GPU_SIDE = 64, 128
"""Largest views, in pixels, that are trained on unless `augment/size` asks for more."""
SMALL_SIDE = 96
"""Below it, images are used whole, as those of CIFAR are; larger ones are cropped at random, as those of WebVision."""
LARGEST_TINY_SIDE = 16
"""Up to it, images are too small for the three poolings of airbench."""


class Counts(NamedTuple):
    """What is known of the data before they are loaded."""

    images: int
    """Images of the training and validation parts together."""
    training_images: int
    classes: int
    side: int
    """Shorter side of the images, in pixels; the median if they differ."""
    gpu: bool
    """Whether a GPU trains."""


class Known:
    """The settings that a rule may read, those resolved before it included."""

    def __init__(self, merged: Mapping[str, Any], counts: Counts) -> None:
        self.merged, self.counts = merged, counts

    def get(self, path: str) -> Any:
        section, _, name = path.partition("/")
        value = self.merged.get(section, {}).get(name)
        return getattr(getattr(_CODE_DEFAULTS, section), name) if value is None else value


_CODE_DEFAULTS = TrainConfig()


def _whole(known: Known) -> bool:
    return known.counts.side < SMALL_SIDE


def _size(known: Known) -> int:
    return 0 if _whole(known) else GPU_SIDE if known.counts.gpu else CPU_SIDE


def _cache_size(known: Known) -> int:
    if _whole(known):
        return known.counts.side
    return math.ceil(int(known.get("augment/size")) * 8 / 7)  # as 256 for views of 224


def _crop_padding(known: Known) -> int:
    return known.counts.side // 8 if _whole(known) else 0


def _network(known: Known) -> str:
    if known.counts.gpu:
        return "preact_resnet18"
    return "airbench" if known.counts.side > LARGEST_TINY_SIDE else "small_cnn"


def _width(known: Known) -> int | None:
    if known.get("network/name") == "airbench":
        return 16 if known.counts.images < 5_000 else 32
    return 16 if known.get("network/name") == "small_cnn" else None


def _batch_size(known: Known) -> int:
    return 32 if known.counts.training_images < 10_000 else 64


def _pretrain_batch_size(known: Known) -> int:
    return 128 if known.counts.images < 10_000 else 256


def _samples(known: Known) -> int:
    return min(max(PASSES * known.counts.images, LEAST_SAMPLES), MOST_SAMPLES)


def _pretrain_epochs(known: Known) -> int:
    batch = int(known.get("pretrain/batch_size"))
    epoch = _epoch(known.counts.images, batch)
    epochs = min(int(known.get("train/samples") * PRETRAIN_SHARE / epoch), MOST_PRETRAIN_EPOCHS)
    return epochs if epochs * epoch >= LEAST_PRETRAIN_STEPS * batch else 0


def _warmup_epochs(known: Known) -> int:
    counts, epochs = known.counts, int(known.get("pretrain/epochs"))
    rest = int(known.get("train/samples")) - epochs * _epoch(counts.images, int(known.get("pretrain/batch_size")))
    return max(1, round(WARMUP_SHARE * rest / _epoch(counts.training_images, int(known.get("train/batch_size")))))


def _epoch(images: int, batch: int) -> int:
    """Return the samples of an epoch, whose last batch is filled up."""
    return math.ceil(images / batch) * batch


def _rampup_epochs(known: Known) -> int:
    return int(known.get("warmup/epochs"))


RULES: dict[str, Callable[[Known], Any]] = {
    "augment/size": _size,
    "augment/crop_padding": _crop_padding,
    "data/cache_size": _cache_size,
    "network/name": _network,
    "network/width": _width,
    "train/batch_size": _batch_size,
    "train/samples": _samples,
    "pretrain/batch_size": _pretrain_batch_size,
    "pretrain/epochs": _pretrain_epochs,
    "warmup/epochs": _warmup_epochs,
    "mixmatch/rampup_epochs": _rampup_epochs,
}
"""Path -> rule, each after those whose result it reads."""


def autos(settings: Mapping[str, Any]) -> list[str]:
    """Return the paths whose value is `auto` once defaults and method are merged. Raises ValueError where that is not
    possible."""
    merged = layered(settings)
    found = [
        f"{section}/{name}"
        for section, inner in merged.items()
        if isinstance(inner, Mapping)
        for name, value in inner.items()
        if value == AUTO and f"{section}/{name}" != "train/device"
    ]
    for path in found:
        if path not in RULES:
            raise ValueError(f"{path}: 'auto' is possible for {', '.join(RULES)} only")
    return [path for path in RULES if path in found]


def resolved(settings: Mapping[str, Any], counts: Counts) -> dict[str, Any]:
    """Return the settings with a number in place of each `auto`, also of those in the defaults of the data set."""
    own = dict(settings)
    for path in autos(settings):
        section, _, name = path.partition("/")
        own = merge(own, {section: {name: RULES[path](Known(layered(own), counts))}})
    return own


def timed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with `auto` for the budget and each length of a stage that neither they nor their method
    give. Raises ValueError: they give the budget."""
    own = dict(settings)
    if own.get("train", {}).get("samples", AUTO) != AUTO:
        raise ValueError("--minutes: the settings give train/samples, too; allowed: one of the two")
    for path in TIMED:
        section, _, name = path.partition("/")
        preset = METHODS.get(str(own.get("method")), {})
        if name not in own.get(section, {}) and name not in preset.get(section, {}):
            own = merge(own, {section: {name: AUTO}})
    return own


def fitted(settings: Mapping[str, Any], counts: Counts, speed: Speed, seconds: float) -> dict[str, Any]:
    """Resolve settings whose budget is `auto` so that the training takes at most `seconds`.

    Raises ValueError: too little time for one epoch after the stages before it.
    """

    def of_budget(samples: int) -> dict[str, Any]:
        return resolved(merge(settings, {"train": {"samples": samples}}), counts)

    def cost(samples: int) -> float:
        return speed.seconds(drawn_samples(train_config(of_budget(samples)), counts.images, counts.training_images))

    def fits(samples: int) -> bool:
        try:
            return cost(samples) <= seconds
        except ValueError:  # less than the stages that a budget cannot shorten
            return True

    low, high = 1, MOST_SAMPLES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    try:
        cost(low)
    except ValueError as error:
        raise ValueError(f"--minutes: {seconds / 60:g} is too short on this machine: {error}") from None
    return of_budget(low)
