"""Data-parallel workers under torch.distributed; with one worker every function here is the identity.

Each worker holds all images and the same random state, draws the same global batches, and computes on its shard of the
rows. Rows are interleaved: of R workers, worker r takes rows r, r + R, r + 2R, ...; sharding then commutes with
concatenating parts whose lengths R divides. So a training does not depend on the world size, up to rounding.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

T = TypeVar("T")
Net = TypeVar("Net", bound=nn.Module)


def world_size() -> int:
    """World size: the number of workers."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Rank of this worker, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def process_group() -> Iterator[None]:
    """Join the process group of `torchrun` while the context lasts; does nothing for a single process, or if the caller
    has made the group (as Ray Train does)."""
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
    """Check that the rows of a global batch can be sharded evenly. Raises ValueError."""
    if rows % world_size():
        n = world_size()
        raise ValueError(f"{name}: {rows} cannot be divided evenly among {n} workers; allowed: a multiple of {n}")


def shard(x: Tensor) -> Tensor:
    """Return this worker's shard of a global (N, ...) tensor."""
    return x[rank() :: world_size()]


def drawn(draw: Callable[[int], Tensor], rows: int) -> Tensor:
    """Return this worker's `rows` rows of one global draw; all workers make it whole, to keep random states equal."""
    return shard(draw(rows * world_size()))


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()
        parts = [torch.empty_like(x) for _ in range(world_size())]
        dist.all_gather(parts, x)
        return torch.stack(parts, 1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return shard(total)


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
    """Gather the global rows from each worker's (N, ...): the inverse of `shard`.

    Differentiable: the workers' gradients are summed and go to the rows' owner. So if each worker computes a loss of
    the global rows, the mean of their gradients over the workers is the gradient of that loss.
    """
    if world_size() == 1:
        return x
    gathered: Tensor = _Gather.apply(x)
    return gathered


def mean(x: Tensor) -> Tensor:
    """Return the mean over the workers, with gradients as in `gather`."""
    if world_size() == 1:
        return x
    total: Tensor = _Sum.apply(x)
    return total / world_size()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the workers, in one all-reduce.

    Not DistributedDataParallel: a step runs several forward passes of one network, some of them without `forward`.
    """
    if world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    for gradient, part in zip(gradients, (flat / world_size()).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def average_buffers(net: nn.Module) -> None:
    """Replace the running statistics of batch norm by their mean over the workers."""
    if world_size() > 1:
        for buffer in net.buffers():
            if buffer.is_floating_point():
                buffer.copy_(mean(buffer))


def broadcast(value: T) -> T:
    """Broadcast the first worker's value, for plain values and tensors on the CPU."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def synchronise_batch_norm(net: Net) -> Net:
    """Make the batch norm of `net` use the global batch; the state dict keeps its names."""
    if world_size() == 1:
        return net
    if next(net.parameters()).is_cuda:
        converted: Net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        return converted
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = _GlobalBatchNorm
    return net


class _GlobalBatchNorm(_BatchNorm):
    """Batch norm of (N, C, ...) over the global batch on a CPU, which torch's SyncBatchNorm does not support."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Allow any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        rest = [d for d in range(input.dim()) if d != 1]
        x = input.float()  # under autocast it may be bfloat16; as in torch's own batch norm, the statistics never are
        variances, means = torch.var_mean(x, rest, correction=0)
        # Both in one exchange: for small networks latency dominates.
        variances, means = gather(torch.stack([variances, means])[None]).unbind(1)
        centre = means.mean(0)
        variance = variances.mean(0) + (means - centre).square().mean(0)
        n = world_size() * input.numel() // input.shape[1]
        with torch.no_grad():
            self.num_batches_tracked += 1
            # momentum None: cumulative mean over all batches, as torch.optim.swa_utils.update_bn needs.
            momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(centre, momentum)
            self.running_var.lerp_(variance * n / (n - 1), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        shape = [1, -1, *[1] * (input.dim() - 2)]
        return ((x - centre.view(shape)) * scale.view(shape) + self.bias.view(shape)).to(input.dtype)
