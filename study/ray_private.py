"""All private names of Ray that the study uses; written for Ray 2.60, and tested with it.

They are imported where they are used: the driver need not wait for what only workers use, nor these for the driver's.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


def temporary_folder() -> str:
    """Return the folder that Ray 2.60 would use: RAY_TMPDIR, else that of the system."""
    from ray._common.utils import get_default_system_temp_dir

    return str(get_default_system_temp_dir())  # type: ignore[no-untyped-call]


def reread_token() -> None:
    """Let Ray 2.60 look up its token again, which it reads once a process."""
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    AuthenticationTokenLoader.instance().reset_cache()


def address_in(folder: str | None) -> str | None:
    """Return the address of the cluster that `ray start` noted in `folder` (None: the usual one), in Ray 2.60."""
    from ray._private.services import find_bootstrap_address

    found: str | None = find_bootstrap_address(folder)
    return found


def propagate_to_workers(variable: str) -> None:
    """Let the workers of Ray Train 2.60 inherit an environment variable of this process."""
    from ray.train.v2._internal.constants import ENV_VARS_TO_PROPAGATE

    ENV_VARS_TO_PROPAGATE.add(variable)


def set_torch_variables() -> None:
    """Set the environment variables that a worker's torch needs, as Ray Train 2.60 does."""
    from ray.train.torch.config import _set_torch_distributed_env_vars

    _set_torch_distributed_env_vars()  # type: ignore[no-untyped-call]


def without_clusters() -> AbstractContextManager[None]:
    """Let a Ray (2.60) started in the context listen on 127.0.0.1 only, as it does on a Mac, where it forms no
    clusters."""
    from ray._private import ray_constants

    return _replaced(ray_constants, "ENABLE_RAY_CLUSTER", False)


def messages_to(printer: Callable[..., None]) -> AbstractContextManager[None]:
    """Give `printer` the messages that Ray 2.60 prints whatever the logging level."""
    from ray._private import worker

    return _replaced(worker, "print_to_stdstream", printer)


def killed_for_memory_is_lost() -> AbstractContextManager[None]:
    """A trial whose worker Ray kills because its node runs low on memory is one whose worker was lost: it is started
    again, and other trials go on. Tune as it is (Ray 2.60) takes that error for one of its own, and ends with it."""
    from ray.air.execution._internal.actor_manager import RayActorManager
    from ray.exceptions import OutOfMemoryError, RayActorError

    original = RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception).strip().partition("\n")[0])
        original(manager, tracked_actor_task, exception)

    return _replaced(RayActorManager, "_actor_task_failed", failed)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
