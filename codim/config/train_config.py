"""Class TrainConfig, composed of the sections in codim/config; and the merging of presets for methods and data sets."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError, model_validator

from codim.config.augment import AugmentConfig
from codim.config.average import AverageConfig
from codim.config.contrastive import ContrastiveConfig
from codim.config.data import DataConfig
from codim.config.datasets import DATASET_FACTS, DatasetFacts
from codim.config.divide import DivideConfig
from codim.config.methods import METHODS
from codim.config.mixmatch import MixMatchConfig
from codim.config.network import NetworkConfig, encoder_facts, encoder_names
from codim.config.optim import OptimConfig
from codim.config.pretrain import PretrainConfig
from codim.config.train import LoopConfig
from codim.config.warmup import WarmupConfig
from codim.noise.base import NoNoise
from codim.noise.kinds import NoiseSpec
from codim.section import Section

FINE_TUNED = 0.1
"""Learning rate of an encoder with weights of others, as a share of that of its new classifier."""


class TrainConfig(Section):
    """All settings of one training. A path such as `mixmatch/lambda_u` names section and setting."""

    data: DataConfig = DataConfig()
    noise: NoiseSpec = NoNoise()
    network: NetworkConfig = NetworkConfig()
    augment: AugmentConfig = AugmentConfig()
    pretrain: PretrainConfig = PretrainConfig()
    warmup: WarmupConfig = WarmupConfig()
    divide: DivideConfig = DivideConfig()
    mixmatch: MixMatchConfig = MixMatchConfig()
    contrastive: ContrastiveConfig = ContrastiveConfig()
    optim: OptimConfig = OptimConfig()
    train: LoopConfig = LoopConfig()
    average: AverageConfig = AverageConfig()

    @property
    def warms_up(self) -> bool:
        """Whether there is a warm-up that co-training follows."""
        return self.train.co_training and self.divide.split == "mixture"

    @property
    def first_seed(self) -> int:
        """Seed of the weights, and of order and views until co-training begins."""
        own = self.warmup.seed if self.warms_up else None
        return self.train.seed if own is None else own

    @property
    def encoder_lr_factor(self) -> float:
        """Learning rate of the encoder as a share of that of the classifier."""
        given = self.optim.encoder_lr_factor
        return given or (1.0 if self.network.weights is None else FINE_TUNED)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.train.epoch_images and (self.divide.split == "given" or self.divide.loss_history > 1):
            raise ValueError(
                f"train/epoch_images: {self.train.epoch_images} cannot be combined with divide/split: given or "
                "divide/loss_history above 1: each epoch has other images; allowed: 0"
            )
        takes, found = (
            "embeddings" if facts.vectors else "images" for facts in (encoder_facts(self.network.name), self.data.facts)
        )
        if takes != found:
            raise ValueError(
                f"network/name: {self.network.name} takes {takes}, data/name {self.data.name} holds {found}; allowed: "
                f"{', '.join(encoder_names(self.data.facts.vectors))}"
            )
        if self.divide.split == "given" and not self.train.co_training:
            raise ValueError("divide/split: given has no warm-up, so train/co_training cannot be false")
        return self


def train_config(settings: Mapping[str, Any]) -> TrainConfig:
    """Compose the settings: code defaults < data set defaults < method preset < `settings`.

    Args:
        settings: nested {section: {setting: value}} and optionally `method`: a name from METHODS.
    Raises:
        ValueError: unknown method or setting, value of the wrong type, out of range or contradicting the method; names
            path, value and what is allowed.

    Example:
        >>> config = train_config({"method": "ce", "noise": {"kind": "symmetric", "rate": 0.5}, "optim": {"lr": 0.01}})
        >>> config.noise.label, config.optim.lr, config.train.co_training
        ('symmetric-0.5', 0.01, False)
    """
    return checked(layered(settings))


def checked(merged: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of `layered` as a TrainConfig. Raises ValueError as `train_config`."""
    try:
        return TrainConfig.model_validate(merged)
    except ValidationError as error:
        raise ValueError(explain(error)) from None


def layered(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Merge data set defaults, method preset and `settings`, without `method`. Raises ValueError as `train_config`, but
    only for the method and for sections that hold no settings."""
    given = dict(settings)
    method = given.pop("method", None)
    for section, values in given.items():
        if section in TrainConfig.model_fields and not isinstance(values, (Mapping, Section)):
            raise ValueError(f"{section}: {values!r}; allowed: settings, {{name: value}}")
    if method is not None and method not in [*METHODS]:
        raise ValueError(f"method: {method!r} is unknown, allowed: {', '.join(METHODS)}")
    preset = METHODS[method] if method is not None else {}
    _require_no_contradiction(given, method, preset)
    data = given.get("data")
    name = str(data.get("name", "digits") if isinstance(data, Mapping) else "digits")
    merged: dict[str, Any] = {}
    for layer in (DATASET_FACTS.get(name, DatasetFacts()).defaults, preset, given):
        merged = merge(merged, layer)
    return merged


def _require_no_contradiction(given: Mapping[str, Any], method: str | None, preset: Mapping[str, Any]) -> None:
    for section, settings in preset.items():
        own = given.get(section)
        for name, value in settings.items():
            if isinstance(own, Mapping) and own.get(name, value) != value:
                raise ValueError(f"{section}/{name}: {own[name]!r} contradicts method {method}, which sets {value!r}")


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` updated by `over`, section by section; `noise` is replaced as a whole (kinds differ in
    settings)."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        sections = isinstance(old, Mapping) and isinstance(value, Mapping) and key != "noise"
        merged[key] = {**old, **value} if sections else value  # type: ignore[dict-item]
    return merged


def completed(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config that was saved as JSON, with the default of each setting that did not exist then."""
    return merge(TrainConfig().model_dump(mode="json", exclude={"noise"}), saved)


def explain(error: ValidationError) -> str:
    """Format a validation error, one line per fault: path, problem, value found."""
    lines = []
    for fault in error.errors(include_url=False):
        loc = [str(part) for part in fault["loc"]]
        where = ["/".join(loc)] if loc else []
        found = "" if isinstance(fault["input"], (Mapping, Section)) else f" (found {fault['input']!r})"
        lines.append(": ".join([*where, fault["msg"].removeprefix("Value error, ") + found]))
    return "\n".join(lines)
