"""Stochastic gradient descent and its schedule over the share of the budget that is spent."""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from codim.networks import Network
from codim.parallel import average_gradients
from codim.section import Section


class OptimConfig(Section):
    """Optimiser of stages 1 to 3."""

    lr: float = Field(default=0.02, gt=0)
    """Learning rate at the start. (.02: DivideMix on CIFAR)"""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of plain (not Nesterov) momentum."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """L2 penalty on all weights, batch norm's too. (5e-4: DivideMix on CIFAR)"""
    schedule: Literal["constant", "step", "cosine"] = "step"
    """step: times `step_factor` at the share `step_at` of the budget. cosine: to 0 at the end of the budget."""
    step_at: float = Field(default=0.5, gt=0, lt=1)
    """Share of the samples of stages 1 to 3. (150 of 300 epochs: DivideMix on CIFAR)"""
    step_factor: float = Field(default=0.1, gt=0, le=1)
    """What the learning rate is multiplied by at the step."""

    def lr_at(self, progress: float) -> float:
        """Learning rate at a share `progress` in [0, 1] of the samples of stages 1 to 3."""
        if self.schedule == "cosine":
            return cosine(self.lr, progress)
        return self.lr * (self.step_factor if self.schedule == "step" and progress >= self.step_at else 1.0)


def cosine(lr: float, progress: float) -> float:
    """From `lr` to 0 along half a cosine (Loshchilov & Hutter 2017, "SGDR", one cycle)."""
    return lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def sgd(net: Network, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """Of all weights. The projection head is a group of its own: the fused form wants a group's weights to get their
    first gradients together."""
    parts: list[list[nn.Module]] = [[net.encoder, net.classifier], [net.projector]]
    groups = [{"params": [p for module in part for p in module.parameters()]} for part in parts]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, lr: float) -> None:
    """One gradient step at the given learning rate; the gradient is that of the mean of the workers' losses."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    average_gradients(parameter for group in optimizer.param_groups for parameter in group["params"])
    optimizer.step()
