"""Where Ray's own behaviour is changed; tested against the version that is pinned."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError


@contextmanager
def killed_for_memory_is_lost() -> Iterator[None]:
    """A trial whose worker Ray kills because its node runs low on memory is one whose worker was lost: it is started
    again, and other trials go on. Tune as it is (Ray 2.60) takes that error for one of its own, and ends with it."""
    original = RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception).strip().partition("\n")[0])
        original(manager, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = failed  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = original  # type: ignore[method-assign]
