"""Settings that are `auto`: computed from what is known of the data, before the settings are checked.

A budget is in samples and the stages are in epochs, so that lengths chosen for 50,000 images suit no other number. Here
the stages are shares of the budget, and a pre-training of too few gradient steps is left out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from codim.config.budget import Speed, drawn_samples
from codim.config.datasets import DATASET_FACTS, DatasetFacts
from codim.config.methods import METHODS
from codim.config.network import NetworkConfig
from codim.config.pretrained import ModelInput, library_of
from codim.config.train_config import TrainConfig, checked, layered, merge, train_config

AUTO = "auto"
TIMED = ("train/samples", "pretrain/epochs", "warmup/epochs", "mixmatch/rampup_epochs")
"""Settings that a limit of time decides."""
ALLOW_AUTO = ("train/device", "network/precision", "data/root", "data/cache", "data/labels", "data/trusted")
"""Settings in which the word has another meaning, or may be a name."""
GRID = 1.02
"""Ratio of neighbouring budgets that are tried for a time."""
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
DECAY_SAMPLES, MOST_DECAY = 60, 0.06
"""Weight decay on embeddings is the first number over that of the training samples, at most the second: chosen on
held-out embeddings of CIFAR-10, together with `augment/feature_noise`, which does most of what it is for."""
LARGEST_TINY_SIDE = 16
"""Up to it, images are too small for the three poolings of airbench."""


class Counts(NamedTuple):
    """Facts about the data that are known before they are loaded."""

    images: int
    """Images of the training and validation parts together."""
    training_images: int
    side: int
    """Shorter side of the images, in pixels; the median if they differ; 0 if they are embeddings."""
    gpu: bool
    """Whether a GPU trains."""


UNCOUNTED = Counts(images=10_000, training_images=8_000, side=256, gpu=False)
"""Stands for own images that cannot be counted yet, where a plan is only outlined."""


class Known:
    """The settings that a rule may read, those resolved before it included."""

    def __init__(self, merged: Mapping[str, Any], counts: Counts) -> None:
        self.merged, self.counts = merged, counts

    def given(self, path: str) -> Any:
        """Return a value; None if it is `auto`, or has the code's default."""
        section, _, name = path.partition("/")
        value = self.merged.get(section, {}).get(name)
        return None if value == AUTO else value

    def number(self, path: str) -> int:
        section, _, name = path.partition("/")
        value = self.given(path)
        return int(getattr(getattr(_CODE_DEFAULTS, section), name) if value is None else value)

    @property
    def whole(self) -> bool:
        return self.counts.side < SMALL_SIDE

    @property
    def published(self) -> ModelInput | None:
        """Images that the weights of the named encoder expect; None if it has no published ones, or is `auto`."""
        name, side = self.given("network/name") or "", self.given("network/input_size")
        stem = self.given("network/stem") or _CODE_DEFAULTS.network.stem
        return NetworkConfig(name=name, stem=stem, input_size=side).published if library_of(name) else None

    @property
    def view(self) -> int:
        """Side of the views in pixels."""
        return self.number("augment/size") or min(self.counts.side, self.number("data/cache_size"))

    def epoch(self, stage: str) -> int:
        """Return the samples of an epoch of `pretrain` or `train`, whose last batch is filled up."""
        images = self.counts.images
        if stage == "train":
            images = min(self.number("train/epoch_images") or images, self.counts.training_images)
        batch = self.number(f"{stage}/batch_size")
        return math.ceil(images / batch) * batch


_CODE_DEFAULTS = TrainConfig()


def _size(known: Known) -> int:
    if known.whole:
        return 0
    usual = GPU_SIDE if known.counts.gpu else CPU_SIDE
    wanted = known.published.side if known.published else usual
    return min(wanted, known.given("data/cache_size") or known.counts.side)


def _cache_size(known: Known) -> int:
    size, side = known.number("augment/size"), known.counts.side
    if known.whole:
        return max(size, side, 8)
    if not size:
        return 256
    wanted = known.published
    full, view = (wanted.resized, wanted.side) if wanted else (256, 224)
    return max(size, min(side, math.ceil(size * full / view)))


def _crop_padding(known: Known) -> int:
    if known.whole:
        return known.counts.side // 8
    # Photos of which a model wants all but the margins leave no room for crops at random.
    tight = known.published is not None and known.number("data/cache_size") == known.view
    return known.view // 8 if tight else 0


def _network(known: Known) -> str:
    if not known.counts.side:
        return "mlp"
    if known.given("network/stem") == "cifar":
        return "torchvision:resnet18"
    if known.counts.gpu:
        return "preact_resnet18"
    return "airbench" if known.view > LARGEST_TINY_SIDE else "small_cnn"


def _width(known: Known) -> int | None:
    if known.given("network/name") == "airbench":
        return 16 if known.counts.images < 5_000 else 32
    return None


def _batch_size(known: Known) -> int:
    size = 32 if known.counts.training_images < 10_000 else 64
    if not known.counts.side and known.counts.training_images >= 2_000:
        # A step of an MLP on few embeddings costs little but what each step costs.
        size = 128 if known.counts.training_images < 50_000 else 512
    # A step of co-training draws as many unlabelled images again: so it makes as many steps as cross-entropy does.
    return size if known.given("train/co_training") is False else size // 2


def _weight_decay(known: Known) -> float:
    if known.counts.side:
        return _CODE_DEFAULTS.optim.weight_decay
    # A prior weighs as much as a fixed number of samples, so less beside the mean loss of more of them.
    return max(min(MOST_DECAY, DECAY_SAMPLES / known.counts.training_images), _CODE_DEFAULTS.optim.weight_decay)


def _pretrain_batch_size(known: Known) -> int:
    return 128 if known.counts.images < 10_000 else 256


def _samples(known: Known) -> int:
    pretrain, warmup, rampup = (
        float(known.given(path) or 0) for path in ("pretrain/epochs", "warmup/epochs", "mixmatch/rampup_epochs")
    )
    given = pretrain * known.epoch("pretrain") + (warmup + rampup) * known.epoch("train")
    least = max(LEAST_SAMPLES, math.ceil(2 * given))  # half of the budget is left for co-training
    return max(least, min(PASSES * known.counts.images, MOST_SAMPLES))


def _pretrain_epochs(known: Known) -> int:
    if known.given("network/weights"):
        return 0
    epoch = known.epoch("pretrain")
    epochs = min(int(known.number("train/samples") * PRETRAIN_SHARE / epoch), MOST_PRETRAIN_EPOCHS)
    return epochs if epochs * epoch >= LEAST_PRETRAIN_STEPS * known.number("pretrain/batch_size") else 0


def _warmup_epochs(known: Known) -> int:
    rest = known.number("train/samples") - known.number("pretrain/epochs") * known.epoch("pretrain")
    return max(1, round(WARMUP_SHARE * rest / known.epoch("train")))


def _rampup_epochs(known: Known) -> int:
    return known.number("warmup/epochs")


RULES: dict[str, Callable[[Known], Any]] = {
    "augment/size": _size,
    "data/cache_size": _cache_size,
    "augment/crop_padding": _crop_padding,
    "network/name": _network,
    "network/width": _width,
    "optim/weight_decay": _weight_decay,
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
    possible, or as `layered`."""
    merged = layered(settings)
    found = [
        f"{section}/{name}"
        for section, inner in merged.items()
        if isinstance(inner, Mapping)
        for name, value in inner.items()
        if isinstance(value, str) and value == AUTO and f"{section}/{name}" not in ALLOW_AUTO
    ]
    for path in found:
        if path not in RULES:
            raise ValueError(f"{path}: 'auto' is possible for {', '.join(RULES)} only")
    return [path for path in RULES if path in found]


def resolved(settings: Mapping[str, Any], counts: Counts) -> dict[str, Any]:
    """Return the settings with a value in place of each `auto`, also of those in the defaults of the data set.

    Raises ValueError: another setting is not allowed.
    """
    own, paths = dict(settings), autos(settings)
    if paths:
        checked(_without(layered(settings), paths))
    for path in paths:
        own = put(own, path, RULES[path](Known(layered(own), counts)))
    return own


def put(settings: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the settings with a value at `section/setting`."""
    section, _, name = path.partition("/")
    return merge(settings, {section: {name: value}})


def _without(merged: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return the merged settings without those at `paths`; if the network's name is among them, on which its settings
    depend, with the name in the defaults of the data set alone."""
    left = {
        section: {name: value for name, value in inner.items() if f"{section}/{name}" not in paths}
        if isinstance(inner, Mapping)
        else inner
        for section, inner in merged.items()
    }
    if "network/name" in paths:
        facts = DATASET_FACTS.get(str(merged.get("data", {}).get("name")), DatasetFacts())
        usual = facts.defaults.get("network", {}).get("name", AUTO)
        left["network"] = {} if usual == AUTO else {"name": usual}
    return left


def timed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with `auto` for the budget and each length of a stage that neither they nor their method
    give. Raises ValueError: they give the budget."""
    layered(settings)
    own, preset = dict(settings), METHODS.get(str(settings.get("method")), {})
    if own.get("train", {}).get("samples", AUTO) != AUTO:
        raise ValueError("--minutes: the settings give train/samples, too; allowed: one of the two")
    for path in TIMED:
        section, _, name = path.partition("/")
        if name not in own.get(section, {}) and name not in preset.get(section, {}):
            own = put(own, path, AUTO)
    return own


def fitted(settings: Mapping[str, Any], counts: Counts, speed: Speed, minutes: float) -> dict[str, Any]:
    """Resolve settings whose budget is `auto` so that the training takes at most about `minutes`.

    Raises ValueError: that is too short; names the time that would do.
    """
    if not 0 < minutes < math.inf:
        raise ValueError(f"--minutes: {minutes:g}; allowed: a number above 0")
    fastest = min(seconds for seconds in (speed.pretrain, speed.warmup, speed.cotrain) if seconds)
    most = 60 * minutes / fastest
    # Which budgets are possible is not a range: at some a pre-training sets in.
    while most >= 1:
        own = put(settings, "train/samples", int(most))
        seconds = _seconds(own, counts, speed)
        if seconds is not None and seconds <= 60 * minutes:
            return resolved(own, counts)
        most /= GRID
    least = max(60 * minutes / fastest, 1.0)
    while (seconds := _seconds(put(settings, "train/samples", int(least)), counts, speed)) is None:
        least *= GRID
    raise ValueError(f"--minutes: {minutes:g} is too short on this machine; allowed: about {seconds / 60:.2g} or more")


def _seconds(settings: Mapping[str, Any], counts: Counts, speed: Speed) -> float | None:
    """Return how long a training takes; None if its budget ends before its last stage begins."""
    config = train_config(resolved(settings, counts))
    try:
        return speed.seconds(drawn_samples(config, counts.images, counts.training_images))
    except ValueError:
        return None
