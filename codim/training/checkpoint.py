"""Checkpoints: save and load a TrainState with its random states, or only the networks, to predict. If the newest file
is damaged, the previous one is used (codim/runtime/tensor_file.py)."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from operator import index
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from torch import Tensor

from codim.config.augment import AugmentConfig
from codim.config.network import NetworkConfig
from codim.config.train_config import TrainConfig, completed
from codim.data.augment import Augmenter
from codim.data.feature_views import augmenter_of
from codim.data.load import TrainingData
from codim.division.divide import Division
from codim.evaluation.label_statistics import LabelStatistics
from codim.models.network import Network, seeded_network
from codim.runtime.tensor_file import DamagedFile, previous, read_tensors, write_tensors
from codim.training.state import TrainState
from codim.version import __version__

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputSpec:
    """Description of the data that networks were trained on: the format of their input and output, with which a
    checkpoint predicts without these data, and a checksum that tells them from others."""

    classes: tuple[str, ...]
    """Names of the classes, in the order of the logits."""
    shape: tuple[int, ...]
    """Shape (C, H, W) of the uint8 images, or (D,) of the embeddings."""
    mean: Tensor
    """Mean per channel (C,), of pixels in [0, 1]; or of each number of the embeddings (D,)."""
    std: Tensor
    """Standard deviation, likewise."""
    digest: str = ""
    """TrainingData.digest; empty in checkpoints of version 0.1.0."""

    @classmethod
    def of(cls, data: TrainingData, augmenter: Augmenter) -> "InputSpec":
        mean, std = augmenter.mean.flatten().cpu(), augmenter.std.flatten().cpu()
        return cls(data.classes, tuple(data.images.shape[1:]), mean, std, data.digest())

    def require_samples_of(self, data: TrainingData, path: Path) -> None:
        """Raise ValueError if `data` are not what the checkpoint `path` was trained on."""
        _require_classes(self.classes, data.classes, path)
        if self.shape != tuple(data.images.shape[1:]):
            raise ValueError(
                f"checkpoint {path} was trained on samples of shape {self.shape}, the data have "
                f"{tuple(data.images.shape[1:])}; allowed: the data as they were, or a new training"
            )
        if self.digest not in ("", data.digest()):
            raise ValueError(
                f"checkpoint {path} was trained on other samples or labels than the data have now, or in another "
                "order; allowed: the data as they were, or a new training"
            )


@dataclass(frozen=True)
class Trained:
    """The networks of a checkpoint, in evaluation mode, and what they were trained on."""

    config: dict[str, Any]
    """Config of the training, as TrainConfig.model_validate reads it, without a file of initial weights, which may be
    gone."""
    input: InputSpec
    networks: list[Network]
    augmenter: Augmenter
    statistics: LabelStatistics | None
    """Sums over the epochs of how the networks judged each label, on the CPU; None if the checkpoint has none."""


def save_checkpoint(path: Path, config: TrainConfig, state: TrainState, spec: InputSpec) -> None:
    """Make `path` the newest checkpoint; the previous one is kept beside it, older ones are gone."""
    write_tensors(
        path,
        {
            "version": __version__,
            **_model(config, state, spec),
            "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
            "generator": state.generator.get_state(),
            "samples": state.samples,
            "active": state.active,
            "average": state.average and state.average.state_dict(),
            "loss_history": state.loss_history,
            "divisions": [asdict(division) for division in state.divisions],
            "pretraining": state.pretraining and state.pretraining.saved(),
        },
    )


def _model(config: TrainConfig, state: TrainState, spec: InputSpec) -> dict[str, Any]:
    """Return the part of a checkpoint that predicts."""
    return {
        "config": config.model_dump(mode="json"),
        "input": {**asdict(spec), "classes": list(spec.classes), "shape": list(spec.shape)},
        "networks": [net.state_dict() for net in state.networks],
        "epoch": state.epoch,
        "statistics": state.statistics.saved(),
    }


def trained_networks(config: TrainConfig, state: TrainState, spec: InputSpec) -> Trained:
    """Return copies on the CPU of the networks of a finished training, as `load_trained` those of its checkpoint, but
    without the statistics of the labels."""
    found = _restore_trained(_model(config, state, spec), Path("checkpoint.pt"), torch.device("cpu"))
    return replace(found, statistics=None)


def has_checkpoint(path: Path) -> bool:
    """Whether `path` or the previous checkpoint exists; after a crash during a write it may be the latter alone."""
    return path.exists() or previous(path).exists()


def load_checkpoint(path: Path, config: TrainConfig, data: TrainingData) -> TrainState:
    """The state saved under the same config, of the previous checkpoint where the newest is damaged (a warning is
    logged).

    Raises:
        ValueError: neither is a whole checkpoint, or it is of another config (names the first setting that differs), or
            of other data: classes, samples or labels, or another order of them.
    """

    def restore(saved: dict[str, Any], path: Path) -> TrainState:
        _require_same(saved["config"], config.model_dump(mode="json"), path)
        _input_spec(saved["input"]).require_samples_of(data, path)
        return _restore_state(saved, config, data)

    return _newest_whole(path, restore)


def saved_config(path: Path) -> dict[str, Any]:
    """Return the settings of a checkpoint as JSON, with the default of each that did not exist then. Raises ValueError:
    there is no whole checkpoint."""
    return _newest_whole(path, lambda saved, _: completed(saved["config"]))


def load_trained(path: Path, device: torch.device) -> Trained:
    """The networks of a checkpoint (or of the folder that holds `checkpoint.pt`), without its data; of the previous
    one where the newest is damaged.

    Raises:
        ValueError: neither is a whole checkpoint, or the networks have not been trained on labels yet.
    """
    path = path / "checkpoint.pt" if path.is_dir() else path

    def restore(saved: dict[str, Any], path: Path) -> Trained:
        return _restore_trained(saved, path, device)

    return _newest_whole(path, restore)


def _newest_whole(path: Path, restore: Callable[[dict[str, Any], Path], T]) -> T:
    if not has_checkpoint(path):
        raise ValueError(f"there is no checkpoint {path}")
    faults = []
    for candidate in (path, previous(path)):
        try:
            found = _read(candidate, restore)
        except DamagedFile as fault:
            faults.append(str(fault))
            continue
        if faults:
            log.warning("checkpoint %s; the previous one is used instead: %s", faults[0], candidate)
        return found
    raise ValueError(f"no intact checkpoint: {'; '.join(faults)}")


def _read(path: Path, restore: Callable[[dict[str, Any], Path], T]) -> T:
    saved = read_tensors(path)
    try:
        return restore(saved, path)
    except (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValidationError) as error:
        raise DamagedFile(f"{path} does not hold a training state: {type(error).__name__}: {error}") from error


def _restore_state(saved: dict[str, Any], config: TrainConfig, data: TrainingData) -> TrainState:
    state = TrainState.create(config, data)
    for net, weights in zip(state.networks, saved["networks"], strict=True):
        net.load_state_dict(weights)
    for optimizer, values in zip(state.optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(values)
    state.generator.set_state(saved["generator"])
    state.epoch, state.samples = index(saved["epoch"]), index(saved["samples"])
    device = data.images.device
    if "statistics" in saved:  # not in checkpoints of version 0.1.0
        state.statistics = LabelStatistics.restored(saved["statistics"], device)
        assert len(state.statistics.epochs) == len(data.images)
    state.active = _once(saved["active"], data)
    if state.average:
        state.average.load_state_dict(saved["average"])
    state.loss_history = [losses.to(device) for losses in saved["loss_history"]]
    divisions = [values | {"index": _once(values["index"], data)} for values in saved["divisions"]]
    state.divisions = [Division(**_on(device, values)) for values in divisions]
    if saved["pretraining"] is None:
        state.pretraining = None
    else:
        assert state.pretraining is not None
        state.pretraining.restore(saved["pretraining"])
    return state


def _input_spec(saved: dict[str, Any]) -> InputSpec:
    return InputSpec(**{**saved, "classes": tuple(saved["classes"]), "shape": tuple(map(index, saved["shape"]))})


def _restore_trained(saved: dict[str, Any], path: Path, device: torch.device) -> Trained:
    network = saved["config"]["network"] | {"weights": None, "precision": "fp32", "compile": "off"}
    config = {**saved["config"], "network": network}
    spec = _input_spec(saved["input"])
    if saved["epoch"] <= config["pretrain"]["epochs"]:
        raise ValueError(f"checkpoint {path} is from pre-training, its networks have seen no labels yet")
    settings = NetworkConfig.model_validate(network)
    networks = [seeded_network(settings, spec.shape[0], len(spec.classes), 0) for _ in saved["networks"]]
    for net, weights in zip(networks, saved["networks"], strict=True):
        net.load_state_dict(weights)
        net.to(device).eval()
    augment = AugmentConfig.model_validate(config["augment"])
    augmenter = augmenter_of(spec.shape)(augment, spec.mean.to(device), spec.std.to(device))
    statistics = LabelStatistics.restored(saved["statistics"], "cpu") if "statistics" in saved else None
    return Trained(config, spec, networks, augmenter, statistics)


def _once(index: Tensor, data: TrainingData) -> Tensor:
    """Return `index` on the data's device; the training part's own if they are equal, which saves 8 bytes per image."""
    index = index.to(data.images.device)
    return data.train_index if torch.equal(index, data.train_index) else index


def _on(device: torch.device, values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in values.items()}


def _require_classes(saved: tuple[str, ...], classes: tuple[str, ...], path: Path) -> None:
    if saved != classes:
        numbered = zip_longest(saved, classes)
        number, (was, now) = next((k, pair) for k, pair in enumerate(numbered) if pair[0] != pair[1])
        raise ValueError(
            f"checkpoint {path} was trained on {len(saved)} classes, the data have {len(classes)}: number {number} is "
            f"{was!r} there and {now!r} here; allowed: the same classes in the same order"
        )


def _require_same(saved: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    saved = completed(saved)
    for section, settings in wanted.items():
        for name, value in settings.items():
            found = saved.get(section, {}).get(name)
            if found != value:
                raise ValueError(
                    f"checkpoint {path} was made with {section}/{name} = {found!r}, the config has {value!r}"
                )
