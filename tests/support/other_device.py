"""A stand-in for a GPU, where there is none: a device whose tensors refuse those of the CPU beside them.

    python other_device.py cpu|other JSON

JSON: a list of argument lists of `python -m codim`. They run one after the other, with `other` on this device, whatever
they ask for. Its tensors hold one on the CPU, which does the work, so results are those of the CPU bit for bit. Like
CUDA it lets a tensor of the CPU without dimensions take part, and copies between devices where that is asked for.
Random numbers come from the CPU's generator.

A device of Python's is set up for a whole process: this one is for a process of its own.
"""

import json
import sys
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from codim.__main__ import main
from codim.runtime import device

COPIES = ("_to_copy", "copy_")


class Backend:
    """What torch asks the module of a device for."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("other", Backend())
DEVICE = torch.device("other:0")


class OtherTensor(torch.Tensor):
    """A tensor on the other device."""

    raw: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, raw: Tensor) -> "OtherTensor":
        made: OtherTensor = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, raw.size(), raw.stride(), raw.storage_offset(), dtype=raw.dtype, device=DEVICE
        )
        made.raw = raw
        return made

    def tolist(self) -> Any:
        return self.raw.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.raw.__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


def dispatch(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Raises RuntimeError: `func` mixes devices."""
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, OtherTensor)]
    name = func.overloadpacket.__name__
    foreign = [tensor for tensor in tensors if not isinstance(tensor, OtherTensor) and tensor.dim()]
    if ours and foreign and name not in COPIES:
        raise RuntimeError(f"{name} mixes devices: {[(tensor.device.type, tuple(tensor.shape)) for tensor in tensors]}")
    wanted = kwargs.get("device")
    args, kwargs = tree_map_only(OtherTensor, lambda tensor: tensor.raw, (args, kwargs))
    if wanted is not None:
        kwargs["device"] = torch.device("cpu")
    result = func(*args, **kwargs)
    stays = bool(ours) if wanted is None else torch.device(wanted).type == DEVICE.type
    if not stays:
        return result
    # An operation in place gives back the tensor that it was given.
    known = {id(tensor.raw): tensor for tensor in ours}
    return tree_map_only(Tensor, lambda raw: known[id(raw)] if id(raw) in known else OtherTensor(raw), result)


class OtherDevice(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


def run(commands: list[list[str]]) -> None:
    for command in commands:
        with patch.object(sys, "argv", ["codim", *command]):
            assert main() == 0, command


def run_there(commands: list[list[str]]) -> None:
    with ExitStack() as patches:
        patches.enter_context(patch.object(device, "torch_device", lambda wanted="auto": DEVICE))
        from codim.training import pretrain, state  # not before `torch_device` is another

        for module in (pretrain, state):
            patches.enter_context(patch.object(module, "Generator", lambda device: torch.Generator()))
        # The thread that torch keeps for each device would not see the mode.
        patches.enter_context(torch.autograd.set_multithreading_enabled(False))
        patches.enter_context(OtherDevice())
        run(commands)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"cpu": run, "other": run_there}[sys.argv[1]](json.loads(sys.argv[2]))
