"""Stochastic gradient descent."""

import torch
from torch import nn

from codim.models.network import Network
from codim.runtime.distributed import average_gradients


def sgd(
    net: Network, lr: float, momentum: float, weight_decay: float, encoder_lr_factor: float = 1.0
) -> torch.optim.SGD:
    """SGD over all weights, with a share of the rate for the encoder. The projection head is a group of its own: the
    fused form wants a group's weights to get their first gradients together."""
    parts: list[tuple[nn.Module, float]] = [(net.encoder, encoder_lr_factor), (net.classifier, 1), (net.projector, 1)]
    groups = [{"params": list(part.parameters()), "factor": factor} for part, factor in parts]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, lr: float) -> None:
    """One gradient step at the given learning rate; the gradient is that of the mean of the workers' losses."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]
    optimizer.zero_grad()
    loss.backward()
    average_gradients(parameter for group in optimizer.param_groups for parameter in group["params"])
    optimizer.step()
