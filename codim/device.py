"""Where a training runs."""

from typing import Literal

import torch


def torch_device(wanted: Literal["auto", "cpu", "cuda"] = "auto") -> torch.device:
    """What `train/device` names. Raises ValueError: there is no GPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("train/device: 'cuda', but torch finds no GPU; allowed: auto, cpu")
    return torch.device(wanted)
