"""How does the cost grow with the batch, with images and epochs, and fall with workers?

    python benchmarks/scaling.py --network digits
    python benchmarks/scaling.py --network preact --device cuda --precision bf16

Batch: images of both sets a second in a whole step. Images and epochs: time of co-training epochs at 1, 2 and 4 times
as many, over that many times the first; 1 is linear. Trials: trainings side by side on one device, a process each, and
the images that all draw in a second. Workers, on a CPU: one and two processes (gloo), one thread each, on the same
global batch.
"""

import os
import socket
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from statistics import median
from typing import NamedTuple

import torch
import torch.distributed as dist
import tyro
from kept import keep
from torch import multiprocessing
from workload import (
    Workload,
    by_turns,
    past_warmup,
    peak_resident,
    prepare,
    ratios,
    repeated,
    seconds,
    spread,
    table,
    training_step,
)

from codim.runtime.distributed import process_group
from codim.training.state import TrainState

Times = dict[str, list[float]]


class Trial(NamedTuple):
    """One of several side by side."""

    seconds: list[float]
    """Of each epoch."""
    images: int
    """That both networks draw in an epoch."""
    gib: float
    """Peak memory: resident on a CPU, reserved by torch on a GPU (which takes about half a GiB more a process)."""


@dataclass
class Arguments(Workload):
    """Scaling of a step and of epochs."""

    batch_sizes: tuple[int, ...] = (16, 32, 64, 128, 256)
    times: tuple[int, ...] = (1, 2, 4)
    """Images and epochs."""
    trials: tuple[int, ...] | None = None
    """Side by side on one device: 1, 2 on a CPU, one thread each, and 1, 2, 4 on a GPU by default."""
    workers: tuple[int, ...] = (1, 2)
    """On a CPU only. Each must divide `batch_size`."""


def step_times(work: Arguments) -> Times:
    steps = {}
    for size in work.batch_sizes:
        config, data = prepare(replace(work, batch_size=size, steps=1))
        steps[str(size)] = training_step(config, data, TrainState.create(config, data))
    repeats = 1 if work.network == "preact" and not work.on_gpu else 5
    return by_turns(steps, work.measurements, work.torch_device(), repeats)


def times_of_images(work: Arguments) -> Times:
    """Of an epoch."""
    config, data = prepare(work)
    trainings = {str(k): past_warmup(config, repeated(data, k))[1] for k in work.times}
    contenders = {name: lambda epochs=epochs: next(epochs) for name, epochs in trainings.items()}
    return by_turns(contenders, work.measurements, work.torch_device())


def times_of_epochs(work: Arguments) -> Times:
    _, epochs = past_warmup(*prepare(work))
    contenders = {str(k): lambda k=k: [next(epochs) for _ in range(k)] for k in work.times}
    return by_turns(contenders, work.measurements, work.torch_device())


def times_of_trials(work: Arguments) -> dict[str, list[Trial]]:
    found = {}
    for trials in work.trials or ((1, 2, 4) if work.on_gpu else (1, 2)):
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(trials), context.SimpleQueue()
        multiprocessing.spawn(_trial, (barrier, work, results), nprocs=trials)
        found[str(trials)] = [results.get() for _ in range(trials)]
    return found


def _trial(rank: int, barrier: Barrier, work: Arguments, results: SimpleQueue[Trial]) -> None:
    if not work.on_gpu:
        torch.set_num_threads(1)
    config, data = prepare(work)
    state, epochs = past_warmup(config, data)
    next(epochs)
    barrier.wait()
    before = state.samples
    spent = [seconds(lambda: next(epochs), work.torch_device()) for _ in range(work.measurements)]
    images = (state.samples - before) // len(spent)
    used = torch.cuda.max_memory_reserved() if work.on_gpu else peak_resident()
    results.put(Trial(spent, 2 * images, used / 2**30))


def times_of_workers(work: Arguments) -> Times:
    """Of an epoch; one number of workers after the other."""
    found = {}
    for workers in work.workers:
        times = multiprocessing.get_context("spawn").SimpleQueue()
        multiprocessing.spawn(_worker, (workers, _free_port(), work, times), nprocs=workers)
        found[str(workers)] = times.get()
    return found


def _worker(rank: int, workers: int, port: int, work: Arguments, times: SimpleQueue[list[float]]) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(workers)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    spent = []
    with process_group():
        _, epochs = past_warmup(*prepare(work))
        for _ in range(work.measurements + 1):
            if workers > 1:
                dist.barrier()
            spent.append(seconds(lambda: next(epochs), work.torch_device()))
    if not rank:
        times.put(spent[1:])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port: int = found.getsockname()[1]
        return port


def trials_table(trials: dict[str, list[Trial]]) -> str:
    rates = {n: sum(own.images / median(own.seconds) for own in found) for n, found in trials.items()}
    first = next(iter(rates.values()))
    rows = [
        [
            n,
            spread([t for own in found for t in own.seconds], 3),
            f"{rates[n]:.0f}",
            f"{rates[n] / first:.2f}",
            f"{max(own.gib for own in found):.2f}",
        ]
        for n, found in trials.items()
    ]
    return table(["trials side by side", "s per epoch", "images/s of all", "times the first", "GiB of each"], rows)


def growth_table(name: str, times: Times) -> str:
    """Against that many times the first; the first name is the smallest."""
    first, *_ = times
    rows = []
    for factor, values in times.items():
        linear = [int(factor) / int(first) * t for t in times[first]]
        rows.append([factor, spread(values, 3), spread(ratios(values, linear))])
    return table([f"times the {name}", "s", "over linear"], rows)


def main() -> None:
    work = tyro.cli(Arguments, description=__doc__)
    work.set_threads()
    steps, images, epochs = step_times(work), times_of_images(work), times_of_epochs(work)
    trials = times_of_trials(work)
    workers = {} if work.on_gpu else times_of_workers(work)

    rate = {size: [2 * int(size) / t for t in values] for size, values in steps.items()}
    best = max(median(values) for values in rate.values())
    batches = [[f"{b} + {b}", spread(rate[b], 0), f"{median(rate[b]) / best:.2f}"] for b in rate]
    parts = [
        table(["batch", "images/s in a step", "of the best"], batches),
        growth_table("images", images),
        growth_table("epochs", epochs),
        trials_table(trials),
    ]
    if workers:
        alone = median(next(iter(workers.values())))
        fewest = int(next(iter(workers)))
        rows = [
            [n, spread(values, 3), f"{alone / median(values):.2f}", f"{fewest * alone / int(n) / median(values):.2f}"]
            for n, values in workers.items()
        ]
        parts.append(table(["workers", "s per epoch", "times as fast", "of ideal"], rows))
    parts.append(
        f"Medians [range] of {work.measurements}, {work.network}, {work.precision}, compile {work.compile}; epochs at "
        f"batch {work.batch_size} + {work.batch_size}."
    )
    content = {"step": steps, "images": images, "epochs": epochs, "trials": trials, "workers": workers}
    keep(f"scaling-{work.name}", "\n\n".join(parts), content, work.torch_device())


if __name__ == "__main__":
    main()
