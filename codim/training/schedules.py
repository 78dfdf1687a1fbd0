"""Schedules of the learning rate and of lambda_u."""

import math

from codim.config.optim import OptimConfig


def learning_rate(config: OptimConfig, progress: float) -> float:
    """Learning rate at a share `progress` in [0, 1] of the samples of stages 1 to 3.

    Example:
        >>> config = OptimConfig(lr=0.1, schedule="step", step_at=0.5, step_factor=0.5)
        >>> learning_rate(config, 0.4), learning_rate(config, 0.5)
        (0.1, 0.05)
    """
    if progress < config.warmup:
        return config.lr * progress / config.warmup
    decayed = (progress - config.warmup) / (1 - config.warmup)
    if config.schedule == "cosine":
        return cosine(config.lr, decayed)
    if config.schedule == "linear":
        return config.lr * (1 - min(decayed, 1.0))
    return config.lr * (config.step_factor if config.schedule == "step" and progress >= config.step_at else 1.0)


def cosine(lr: float, progress: float) -> float:
    """Half a cosine from `lr` to 0 (Loshchilov & Hutter 2017, "SGDR", one cycle)."""
    return lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def ramp_up(epochs: float, length: float) -> float:
    """Share of lambda_u after so many epochs: linear from 0 to 1 over `length` of them; 1 for a length of 0."""
    return 1.0 if epochs >= length else max(epochs, 0.0) / length
