"""Rendezvous of the workers of a trial: a TCPStore in the first one, on its node's address only. torch's own, which Ray
Train uses, listens on every interface (https://github.com/pytorch/pytorch, TCPStore).

Order of calls by Ray Train: `_Rendezvous.on_start` in the trial's process; there `_listen` in the first worker, then
`_join` in every worker, which connects to that socket and joins the process group.
"""

import socket
from datetime import timedelta
from typing import Any

import ray
import torch.distributed as dist
from ray.train.backend import BackendConfig
from ray.train.torch import TorchConfig

from study.ray_private import set_torch_variables

_listening: list[socket.socket] = []
"""Socket of the first worker, from its `_listen` to its `_join`."""


class OnOneAddress(TorchConfig):
    """The `torch_config` of a TorchTrainer; `backend` must be given."""

    @property
    def backend_cls(self) -> type["_Rendezvous"]:
        return _Rendezvous


class _Rendezvous(TorchConfig().backend_cls):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Do as Ray's backend does, but with our own server."""
        assert isinstance(backend_config, OnOneAddress)
        host, port = worker_group.execute_single(0, _listen)
        worker_group.execute(set_torch_variables)
        group = (host, port, len(worker_group), str(backend_config.backend), backend_config.timeout_s)
        ray.get([worker_group.execute_single_async(i, _join, i, *group) for i in range(len(worker_group))])


def _listen() -> tuple[str, int]:
    """Listen on a free port of this node's address, which is 127.0.0.1 for a Ray on loopback; return both."""
    host = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
    _listening.append(socket.create_server((host, 0)))
    return host, _listening[0].getsockname()[1]


def _join(rank: int, host: str, port: int, workers: int, backend: str, timeout_s: int) -> None:
    timeout = timedelta(seconds=timeout_s)
    server = _listening.pop().detach() if rank == 0 else None
    store = dist.TCPStore(  # type: ignore[attr-defined]
        host, port, workers, is_master=rank == 0, timeout=timeout, wait_for_workers=False, master_listen_fd=server
    )
    dist.init_process_group(backend, store=store, rank=rank, world_size=workers, timeout=timeout)
