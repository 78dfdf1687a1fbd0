"""Index streams over data that stay on the device."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor


def endless_batches(index: Tensor, batch_size: int, generator: Generator) -> Iterator[Tensor]:
    """Yield batches (batch_size,) of `index` forever, one permutation after the other, so that all entries are equally
    frequent.

    Every batch is full, even if `index` is shorter than a batch; batch norm never sees a ragged one.
    """
    assert len(index) > 0
    rest = index[:0]
    while True:
        while len(rest) < batch_size:
            rest = torch.cat([rest, index[torch.randperm(len(index), generator=generator, device=index.device)]])
        yield rest[:batch_size]
        rest = rest[batch_size:]
