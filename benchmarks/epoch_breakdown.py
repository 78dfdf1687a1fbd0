"""Where does the time of a co-training epoch go?

    python benchmarks/epoch_breakdown.py --network digits

Functions of codim are wrapped from outside. Entering and leaving one is a mark, and the time between two marks counts
for the innermost function that is open, so that the parts add up to the epoch. On a GPU marks are events in its
stream: they cost no halt, and time in which the GPU waits for the host counts for the part that makes it wait.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pkgutil import resolve_name
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
import tyro
from kept import keep
from workload import Workload, past_warmup, prepare, spread, synchronise, table

PARTS = {
    "guessing": ["codim.training.cssl._targets"],
    "evaluation": ["codim.training.loop._evaluate"],
    "forward": ["codim.models.network.Network.forward", "codim.models.network.Network.project"],
    "backward": ["torch.Tensor.backward"],
    "optimiser": ["codim.training.loop.step"],
    "weak views": ["codim.data.augment.Augmenter.weak"],
    "strong views": ["codim.data.augment.Augmenter.strong"],
    "MixUp": ["codim.training.cssl.mixup", "codim.training.cssl.draw_lambda"],
    "losses": ["codim.training.loop.cssl_losses"],
    "mixture": ["codim.training.loop.divide", "codim.training.loop.scale_losses"],
}
WHOLE = ("guessing", "evaluation")
"""What they call counts for them."""
REST = "rest"


class Clock:
    """Marks, and the part that each begins."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.open = [REST]
        self.marks: list[tuple[str, Any]] = []

    def mark(self) -> None:
        now: Any = time.perf_counter()
        if self.device.type == "cuda":
            now = torch.cuda.Event(enable_timing=True)
            now.record()
        self.marks.append((self.open[-1], now))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        if self.open[-1] in WHOLE:
            yield
            return
        self.open.append(name)
        self.mark()
        try:
            yield
        finally:
            self.open.pop()
            self.mark()

    def seconds(self) -> dict[str, float]:
        synchronise(self.device)
        total: dict[str, float] = defaultdict(float)
        for (name, start), (_, end) in zip(self.marks, self.marks[1:], strict=False):
            total[name] += start.elapsed_time(end) / 1e3 if self.device.type == "cuda" else end - start
        return dict(total)


def breakdown(epoch: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Share of each part in one call of `epoch`, the largest first."""
    clock = Clock(device)
    with ExitStack() as patches:
        for name, targets in PARTS.items():
            for target in targets:
                patches.enter_context(_timed(clock, name, target))
        clock.mark()
        epoch()
        clock.mark()
    seconds = clock.seconds()
    total = sum(seconds.values())
    return {name: seconds[name] / total for name in sorted(seconds, key=seconds.__getitem__, reverse=True)}


def _timed(clock: Clock, name: str, target: str) -> Any:
    holder, _, attribute = target.rpartition(".")
    function = getattr(resolve_name(holder), attribute)

    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with clock.part(name):
            return function(*args, **kwargs)

    return patch(target, timed)


def share_table(shares: dict[str, float]) -> str:
    return table(["part", "share, %"], [[name, f"{100 * share:.1f}"] for name, share in shares.items()])


def main() -> None:
    work = tyro.cli(Workload, description=__doc__)
    work.set_threads()
    device = work.torch_device()
    _, epochs = past_warmup(*prepare(work))
    next(epochs)
    found = [breakdown(lambda: next(epochs), device) for _ in range(work.measurements)]
    values = {name: [100 * shares.get(name, 0.0) for shares in found] for name in {n for f in found for n in f}}
    order = sorted(values, key=lambda name: median(values[name]), reverse=True)
    rows = [[name, spread(values[name], 1)] for name in order]
    text = (
        f"{table(['part', 'share of a co-training epoch, %'], rows)}\n\nMedians [range] of {work.measurements} epochs, "
        f"batch {work.batch_size} + {work.batch_size}, {work.precision}, compile {work.compile}. guessing and "
        f"evaluation hold their forward passes."
    )
    keep(f"epoch_breakdown-{work.name}", text, {"shares": values}, device)


if __name__ == "__main__":
    main()
