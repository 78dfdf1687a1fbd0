"""Data-parallel workers under torch.distributed; with one worker every function here is the identity.

Each worker holds all images and the same random state, and draws the same global batches; it then computes on its share
of the rows. Rows are dealt out like cards, worker r of R taking rows r, r + R, r + 2R, ...: that commutes with joining
parts whose lengths R divides. So a training does not depend on the number of workers, up to rounding.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")
Net = TypeVar("Net", bound=nn.Module)


def workers() -> int:
    """Number of workers."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this worker, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def process_group() -> Iterator[None]:
    """The group of processes that `torchrun` started, for as long as the context lasts; nothing where there is one
    process, or where the caller has made the group (as Ray Train does)."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if int(os.environ["LOCAL_RANK"]) < torch.cuda.device_count():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def require_even(name: str, rows: int) -> None:
    """Raises ValueError where the rows of a global batch cannot be dealt out evenly."""
    if rows % workers():
        raise ValueError(f"{name}: {rows} cannot be shared evenly by {workers()} workers; allowed: their multiples")


def share(x: Tensor) -> Tensor:
    """This worker's rows of a global (N, ...) tensor."""
    return x[rank() :: workers()]


def drawn(draw: Callable[[int], Tensor], rows: int) -> Tensor:
    """`draw(rows)` of this worker's rows: all workers draw for everybody, so that their random states stay equal."""
    return share(draw(rows * workers()))


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()
        parts = [torch.empty_like(x) for _ in range(workers())]
        dist.all_gather(parts, x)
        return torch.stack(parts, 1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return share(total)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def gather(x: Tensor) -> Tensor:
    """The inverse of `share`: the global rows, from (N, ...) of each worker.

    With gradients: each worker's are summed and go to the rows' owner. So the mean over the workers of the gradients of
    a loss that each computes of the global rows is that loss's own gradient.
    """
    if workers() == 1:
        return x
    gathered: Tensor = _Gather.apply(x)
    return gathered


def mean(x: Tensor) -> Tensor:
    """Mean over the workers, with gradients as in `gather`."""
    if workers() == 1:
        return x
    total: Tensor = _Sum.apply(x)
    return total / workers()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the workers, in one exchange.

    Not DistributedDataParallel: a step runs several forward passes of one network, some of them past its `forward`.
    """
    if workers() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    for gradient, part in zip(gradients, (flat / workers()).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def average_buffers(net: nn.Module) -> None:
    """Replace the running statistics of batch norm by their mean over the workers."""
    if workers() > 1:
        for buffer in net.buffers():
            if buffer.is_floating_point():
                buffer.copy_(mean(buffer))


def from_first(value: T) -> T:
    """What the first worker holds, for plain values and tensors on the CPU."""
    if workers() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def synchronise_batch_norm(net: Net) -> Net:
    """`net` with batch norm over the batches of all workers; the state dict keeps its names."""
    if workers() == 1:
        return net
    if next(net.parameters()).is_cuda:
        converted: Net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        return converted
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = _GlobalBatchNorm
    return net


class _GlobalBatchNorm(nn.BatchNorm2d):
    """Batch norm over all workers' rows on a CPU, where torch's SyncBatchNorm does not run."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        variances, means = torch.var_mean(input, (0, 2, 3), correction=0)
        # Both in one exchange: with a small network the time of one is what counts.
        variances, means = gather(torch.stack([variances, means])[None]).unbind(1)
        centre = means.mean(0)
        variance = variances.mean(0) + (means - centre).square().mean(0)
        n = workers() * input.numel() // input.shape[1]
        with torch.no_grad():
            self.num_batches_tracked += 1
            # No momentum: the mean over all batches, as torch.optim.swa_utils.update_bn asks for.
            momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(centre, momentum)
            self.running_var.lerp_(variance * n / (n - 1), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (input - centre.view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
