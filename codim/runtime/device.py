"""Choice and set-up of the device that a training runs on."""

import ctypes
import logging
import platform
import resource
import sys
from collections.abc import Iterable
from typing import Literal

import torch

log = logging.getLogger(__name__)
BFLOAT16_PRODUCTS = ("avx512_bf16", "amx_bf16")
"""CPU instructions for bfloat16 products, several times as fast as those of float32, by the names of
torch.cpu.get_capabilities."""
BFLOAT16 = (*BFLOAT16_PRODUCTS, "avx10_2", "avx_ne_convert", "bf16", "sve_bf16")
"""CPU instructions for bfloat16 products or conversions; the last two: ARM's."""


def torch_device(wanted: Literal["auto", "cpu", "cuda"] = "auto") -> torch.device:
    """Return the device that `train/device` names. Raises ValueError: there is no GPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("train/device: 'cuda', but torch finds no GPU; allowed: auto, cpu")
    return torch.device(wanted)


def set_up(device: torch.device, precision: str) -> None:
    """Prepare this process for a training. On a GPU: allow TF32 in float32 products or not, and use cuDNN's fastest
    convolutions. On a CPU: keep freed memory for the next step, and warn of a precision that makes it slower."""
    if device.type == "cpu":
        _keep_freed_memory()
        if slow := slow_precision(device, precision):
            log.warning(slow)
        return
    kind = "ieee" if precision_on(device, precision) == "fp32" else "tf32"
    torch.backends.cuda.matmul.fp32_precision = kind
    for part in ("conv", "rnn"):  # torch's export refuses to run where these two differ
        getattr(torch.backends.cudnn, part).fp32_precision = kind
    torch.backends.cudnn.benchmark = True


def precision_on(device: torch.device, precision: str) -> str:
    """Return the precision `network/precision` on this device, with a name in place of auto."""
    if precision != "auto":
        return precision
    return "bf16" if device.type == "cpu" and _has(BFLOAT16_PRODUCTS) else "fp32"


def slow_precision(device: torch.device, precision: str) -> str:
    """Explain why a precision slows down training on this device, and the remedy; empty if it does not."""
    if device.type != "cpu" or precision != "bf16" or _has(BFLOAT16):
        return ""
    return (
        "network/precision: bf16 makes training several times slower on this CPU, which has no bfloat16 instructions "
        f"({', '.join(BFLOAT16_PRODUCTS)}); set network/precision: fp32"
    )


def _has(instructions: Iterable[str]) -> bool:
    """Whether this CPU has any of these instructions."""
    return any(map(torch.cpu.get_capabilities().get, instructions))


def _keep_freed_memory() -> None:
    """Keep freed memory. By default glibc returns each block of over 32 MiB to the system, which zeroes its pages on
    the next allocation: a tenth of an epoch of PreAct ResNet-18 in float32. Keeping it costs up to a fifth more
    resident memory. Numbers of mallopt's parameters: glibc's malloc.h."""
    if libc := _glibc():
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(trim_threshold, -1)
        libc.mallopt(mmap_max, 0)


def give_back_memory() -> None:
    """Return the memory that `set_up` kept, for a process that continues without training."""
    if libc := _glibc():
        libc.malloc_trim(0)


def peak_memory(device: torch.device) -> int:
    """Return the most memory that this process has used so far, in bytes: of the GPU, or without one of the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
