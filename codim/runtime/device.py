"""Where a training runs, and how its device is set up."""

import ctypes
import logging
import platform
from typing import Literal

import torch

log = logging.getLogger(__name__)
BFLOAT16 = ("avx512_bf16", "amx_bf16", "avx10_2", "avx_ne_convert", "bf16", "sve_bf16")
"""Instructions that multiply or convert bfloat16, as torch.cpu.get_capabilities names them; the last two are ARM's."""


def torch_device(wanted: Literal["auto", "cpu", "cuda"] = "auto") -> torch.device:
    """What `train/device` names. Raises ValueError: there is no GPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("train/device: 'cuda', but torch finds no GPU; allowed: auto, cpu")
    return torch.device(wanted)


def set_up(device: torch.device, precision: str) -> None:
    """Prepare this process for a training. On a GPU: whether products of float32 may take TF32, and convolutions by the
    fastest of cuDNN's ways. On a CPU: freed memory is kept for the next step; a precision that makes it slower is
    warned of."""
    if device.type == "cpu":
        _keep_freed_memory()
        if slow := slow_precision(device, precision):
            log.warning(slow)
        return
    kind = "ieee" if precision == "fp32" else "tf32"
    torch.backends.cuda.matmul.fp32_precision = kind
    for part in ("conv", "rnn"):  # torch's export refuses to run where these two differ
        getattr(torch.backends.cudnn, part).fp32_precision = kind
    torch.backends.cudnn.benchmark = True


def slow_precision(device: torch.device, precision: str) -> str:
    """Return why a precision makes a training slower on this device, with the remedy; empty where it does not."""
    if device.type != "cpu" or precision != "bf16" or any(map(torch.cpu.get_capabilities().get, BFLOAT16)):
        return ""
    return (
        "network/precision: bf16 makes training several times slower on this CPU, which has no bfloat16 instructions "
        f"({', '.join(BFLOAT16[:2])}); set network/precision: fp32"
    )


def _keep_freed_memory() -> None:
    """By default glibc gives each block of over 32 MiB back to the system, which clears its pages when they are asked
    for again: a tenth of an epoch of PreAct ResNet-18 in float32. Kept, they make up to a fifth more resident memory.
    Numbers of mallopt's parameters: glibc's malloc.h."""
    if libc := _glibc():
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(trim_threshold, -1)
        libc.mallopt(mmap_max, 0)


def give_back_memory() -> None:
    """What `set_up` has kept: for a process that goes on without training."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
