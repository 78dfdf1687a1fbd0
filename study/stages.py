"""Shared stages: computed once, kept in a folder by their key (study/stage_keys.py)."""

import math
from pathlib import Path

from torch import Tensor

from codim.augment import Augmenter
from codim.config import TrainConfig
from codim.datasets import load_data
from codim.device import torch_device
from codim.pretrain import PretrainState, pretrain_epochs
from codim.tensor_file import DamagedFile, read_tensors, write_tensors
from study.stage_keys import stage_key


def compute_stage(config: TrainConfig, folder: Path) -> bool:
    """Make sure that the stage of `config` lies in `folder`; True when it had to be computed (missing or damaged)."""
    try:
        if read_stage(config, folder) is not None:
            return False
    except ValueError:
        pass  # damaged: it is only a cache
    device = torch_device(config.train.device)
    data, _ = load_data(config.data, config.noise, device)
    state = PretrainState.create(config.pretrain, config.network, data.images, len(data.classes))
    for loss, _ in pretrain_epochs(config.pretrain, data.images, Augmenter.fit(config.augment, data.images), state):
        if not math.isfinite(loss):
            raise ValueError(f"pre-training: the loss became {loss}; a smaller pretrain/lr may help")
    write_tensors(_file(config, folder), {name: tensor.cpu() for name, tensor in state.result().items()})
    return True


def read_stage(config: TrainConfig, folder: Path) -> dict[str, Tensor] | None:
    """The weights that the stage of `config` left in `folder`; None where it is not. Raises ValueError: damaged."""
    if not stage_key(config) or not _file(config, folder).exists():
        return None
    try:
        return read_tensors(_file(config, folder))
    except DamagedFile as fault:
        raise ValueError(f"stage {fault}; start the study again, which computes it anew") from fault


def _file(config: TrainConfig, folder: Path) -> Path:
    return folder / stage_key(config) / "encoder.pt"
