"""Measure how fast this machine, or a node, trains a study's trials."""

import torch

from codim.config.budget import Speed
from codim.config.train_config import TrainConfig
from codim.data.load import load_data
from codim.runtime.device import give_back_memory, torch_device
from codim.training import speed


def measure_speed(config: TrainConfig, threads: int) -> Speed:
    """Load the data and time a few steps of each stage, as `codim.training.speed.measure_speed`."""
    torch.set_num_threads(threads)
    found = speed.measure_speed(config, *load_data(config.data, config.noise, torch_device(config.train.device)))
    give_back_memory()  # the driver may run for days and never trains again
    return found
