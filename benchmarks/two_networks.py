"""Do two networks train faster side by side than one after the other?

    python benchmarks/two_networks.py --network digits
    python benchmarks/two_networks.py --network preact --device cuda --precision bf16

Bare passes of both networks at the batch of a real step: forward and backward of two weak views of both sets. In turn,
with all threads; each in a Python thread, with half of the threads; their weights stacked, by torch.func and vmap,
batch norm in training mode with its running statistics; on a GPU also each in a stream, from one Python thread and from
two.

This is what could be gained at most: in the algorithm the second network's peer is the first, already trained in this
epoch, so that side by side means another algorithm.
"""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
import tyro
from kept import keep
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from workload import Workload, by_turns, channels_last, prepare, ratios, spread, table

from codim.models.network import Network
from codim.training.state import TrainState


def train(net: Network, views: Tensor) -> None:
    logits = net(views)
    logits.backward(torch.ones_like(logits))
    for parameter in net.parameters():
        parameter.grad = None


def in_turn(nets: list[Network], views: list[Tensor]) -> None:
    for net, own in zip(nets, views, strict=True):
        train(net, own)


def in_threads(nets: list[Network], views: list[Tensor]) -> Callable[[], None]:
    threads = max(1, torch.get_num_threads() // 2)
    # Also of the pool: torch keeps the number of threads per thread.
    pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(threads,))

    def run() -> None:
        list(pool.map(train, nets, views))

    return run


def stacked(nets: list[Network], views: list[Tensor]) -> Callable[[], None]:
    parameters, buffers = stack_module_state(nets)
    form = copy.deepcopy(nets[0]).to("meta")
    both = torch.stack(views)

    def forward(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Any:
        return functional_call(form, (parameters, buffers), (x,))

    def run() -> None:
        logits = vmap(forward)(parameters, buffers, both)
        logits.backward(torch.ones_like(logits))
        for parameter in parameters.values():
            parameter.grad = None

    return run


def in_streams(nets: list[Network], views: list[Tensor], by_threads: bool) -> Callable[[], None]:
    streams = [torch.cuda.Stream() for _ in nets]
    pool = ThreadPoolExecutor(2) if by_threads else nullcontext()

    def one(net: Network, own: Tensor, stream: torch.cuda.Stream) -> None:
        stream.wait_stream(torch.cuda.default_stream())
        with torch.cuda.stream(stream):
            train(net, own)
        torch.cuda.default_stream().wait_stream(stream)

    def run() -> None:
        list((pool.map if isinstance(pool, ThreadPoolExecutor) else map)(one, nets, views, streams))

    return run


def main() -> None:
    work = tyro.cli(Workload, description=__doc__)
    work.set_threads()
    config, data = prepare(work)
    device = work.torch_device()
    views = [channels_last(4 * work.batch_size, data.images.shape[1:], device) for _ in range(2)]

    def nets() -> list[Network]:
        return [net.train() for net in TrainState.create(config, data).networks]

    contenders: dict[str, Callable[[], object]] = {"in turn": partial(in_turn, nets(), views)}
    contenders["two threads"] = in_threads(nets(), views)
    contenders["stacked weights"] = stacked(nets(), views)
    if work.on_gpu:
        contenders["two streams"] = in_streams(nets(), views, by_threads=False)
        contenders["two streams, two threads"] = in_streams(nets(), views, by_threads=True)
    repeats = 1 if work.network == "preact" and not work.on_gpu else 10
    times = by_turns(contenders, work.measurements, device, repeats)
    rows = [
        [name, spread([1e3 * t for t in values], 1), spread(ratios(times["in turn"], values))]
        for name, values in times.items()
    ]
    text = (
        f"{table(['both networks', 'ms', 'times as fast as in turn'], rows)}\n\nMedians [range] of "
        f"{work.measurements}, {4 * work.batch_size} images each, {work.precision}, compile {work.compile}."
    )
    keep(f"two_networks-{work.name}", text, {"seconds": times}, device)


if __name__ == "__main__":
    main()
