"""Encoders of embeddings."""

from torch import nn


def mlp(dim: int, width: int) -> tuple[nn.Module, int]:
    """Build the encoder (N, dim) -> (N, width), one hidden layer; return it and its output size."""
    return nn.Sequential(nn.Linear(dim, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()), width


def identity(dim: int) -> tuple[nn.Module, int]:
    """Build the encoder that returns the embeddings (N, dim) as they are; return it and its output size."""
    return nn.Identity(), dim
