"""How much memory do a step and each image take?

    python benchmarks/memory.py --network digits
    python benchmarks/memory.py --network preact --device cuda --precision bf16

Peak of a step: what a fresh process needs beyond data and networks, of its resident memory on a CPU and of torch's
allocations on a GPU, gradients and momentum included, beside the peak of the bare passes. Bytes per image: what data
and state hold of every image beside its pixels, whatever the number of classes; the bar is 84, of
which 22 are the running sums of codim/evaluation/label_statistics.py.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

import torch
import tyro
from kept import keep
from torch import Tensor
from workload import Bare, Workload, past_warmup, peak_resident, prepare, random_data, synchronise, table, training_step

from codim.config.train_config import train_config
from codim.data.load import TrainingData, load_data
from codim.training.state import TrainState

BAR = 84
"""Bytes an image, beside its pixels."""
NOT_PER_IMAGE = ("images", "networks", "optimizers", "pretraining", "average", "generator")
"""Fields of data and state: the pixels, and what grows with the network. But `images` of an evaluation is an index."""


@dataclass
class Arguments(Workload):
    """Memory of a step, and of each image."""

    batch_sizes: tuple[int, ...] = (16, 64, 128)
    settings_of: tuple[Literal["digits", "cifar10", "cifar100"], ...] = ("digits", "cifar10", "cifar100")
    """Data sets whose default settings count for the bytes an image."""


def state_bytes(data: TrainingData, state: TrainState) -> dict[str, float]:
    """Bytes per image of training and validation part, by field; what several fields share counts for the first."""
    seen: set[int] = set()
    found = {}
    for owner in (data, state):
        for field in fields(owner):
            if field.name in NOT_PER_IMAGE:
                continue
            total = 0
            for tensor in _tensors(getattr(owner, field.name)):
                storage = tensor.untyped_storage()
                total += 0 if storage.data_ptr() in seen else storage.nbytes()
                seen.add(storage.data_ptr())
            if total:
                found[field.name] = total / len(data.images)
    return found


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)


def held_bytes(name: Literal["digits", "cifar10", "cifar100"], device: str = "cpu", n: int = 2_000) -> dict[str, float]:
    """`state_bytes` in co-training with the data set's default settings, its histories full. CIFAR's images are random
    and the network is small: neither counts."""
    settings: dict[str, Any] = {
        "method": "codim-sup",
        "data": {"name": name},
        "network": {"name": "small_cnn", "width": 4},
        "pretrain": {"epochs": 0},
        "train": {"samples": 10**9, "epoch": "dataset", "device": device},
    }
    config = train_config(settings)
    settings["warmup"] = {"epochs": config.divide.loss_history}
    config = train_config(settings)
    if name == "digits":
        data, _ = load_data(config.data, config.noise, device)
    else:
        data = random_data(n, int(name.removeprefix("cifar")), device, side=8)
    state, epochs = past_warmup(config, data)
    next(epochs)
    assert len(state.loss_history) == config.divide.loss_history
    return state_bytes(data, state)


def step_mib(work: Workload, bare: bool) -> float:
    """Peak of one step over what is there before it, in MiB; in a process that has taken no step."""
    work.set_threads()
    config, data = prepare(replace(work, steps=1))
    device = work.torch_device()
    step: Callable[[], None]
    step = Bare(config, data).step if bare else training_step(config, data, TrainState.create(config, data))
    before = torch.cuda.memory_allocated(device) if work.on_gpu else peak_resident()
    if work.on_gpu:
        step()  # the search for the fastest convolutions takes more than the convolutions
        synchronise(device)
        torch.cuda.reset_peak_memory_stats(device)
    step()
    synchronise(device)
    after = torch.cuda.max_memory_allocated(device) if work.on_gpu else peak_resident()
    return (after - before) / 2**20


def main() -> None:
    work = tyro.cli(Arguments, description=__doc__)
    steps = []
    for size in work.batch_sizes:
        case = replace(work, batch_size=size)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
            real, bare = (pool.submit(step_mib, case, bare).result() for bare in (False, True))
        steps.append({"batch": size, "real": real, "bare": bare, "ratio": real / bare})
    rows = [
        [f"{s['batch']} + {s['batch']}", *(f"{s[c]:.1f}" for c in ("real", "bare")), f"{s['ratio']:.2f}"] for s in steps
    ]
    images = {name: held_bytes(name, work.torch_device().type) for name in work.settings_of}
    held = [[name, f"{sum(own.values()):.1f}", _list(own)] for name, own in images.items()]
    text = (
        f"{table(['batch', 'peak of a step, MiB', 'of its bare passes, MiB', 'ratio'], rows)}\n\n"
        f"{work.network}, {work.precision}, compile {work.compile}.\n\n"
        f"{table(['settings of', 'bytes an image, beside its pixels', 'of these'], held)}\n\nBar: {BAR}."
    )
    keep(f"memory-{work.name}", text, {"steps": steps, "bytes per image": images, "bar": BAR}, work.torch_device())


def _list(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {size:.1f}" for name, size in parts.items())


if __name__ == "__main__":
    main()
