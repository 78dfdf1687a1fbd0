"""A private Ray on this machine, which serves no other user or program and leaves nothing behind."""

import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray

from study.errors import ClusterError
from study.ray_private import reread_token, temporary_folder, without_clusters

SOCKET_BYTES = 107
"""Longest address of a Unix socket on Linux, in bytes."""
SESSION = "/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""Longest part of a socket's address in Ray, below the folder for temporary files."""
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
OBJECT_STORE = 80 << 20
"""Smallest size of Ray's object store in shared memory, in bytes."""
STARTS = 2
"""Attempts to start Ray, which gives its first process 30 s; on a busy machine the second finds its files in memory."""


@contextmanager
def own_ray(cpus: int, gpus: int, **options: Any) -> Iterator[Any]:
    """Run a private Ray while the context lasts; yields the result of `ray.init`. Raises ClusterError if that fails."""
    folder = _folder()
    store = {} if _holds_store(Path("/dev/shm")) else {"_plasma_directory": str(folder)}
    with ExitStack() as stack:
        stack.enter_context(_token())
        stack.callback(_remove_sessions, folder / "ray")
        stack.callback(ray.shutdown)
        # The sockets that Python opens in Ray's processes are in TMPDIR.
        with _on_loopback(), _set({} if folder == _wanted() else {"TMPDIR": str(folder)}):
            context = _started(folder, num_cpus=cpus, num_gpus=gpus, **store, **options)
        yield context


def _started(folder: Path, **options: Any) -> Any:
    for left in reversed(range(STARTS)):
        try:
            return ray.init(address="local", dashboard_host="127.0.0.1", _temp_dir=str(folder / "ray"), **options)
        except Exception as error:  # Ray also raises bare Exception
            ray.shutdown()
            if left and "timed out" in str(error):
                continue
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise ClusterError(
                f"Ray cannot start on this machine ({reason}), and nothing was started. Its files go to {folder}: set "
                "RAY_TMPDIR to another folder, short and on a local disk. It also needs a free port on 127.0.0.1, "
                f"{OBJECT_STORE >> 20} MiB of /dev/shm or of that folder, and a machine that is not so busy that its "
                "processes take minutes to start"
            ) from error
    raise AssertionError


def _folder() -> Path:
    """Return the folder for Ray's files: the one for temporary files, or a short one if the addresses of the sockets in
    it would be too long. Raises ClusterError if there is none."""
    wanted = _wanted()
    for folder in (wanted, *map(Path, SHORT_FOLDERS)):
        fits = len(os.fsencode(f"{folder}{SESSION}")) <= SOCKET_BYTES
        if fits and _writable(folder):
            return folder
    longest = SOCKET_BYTES - len(SESSION)
    raise ClusterError(
        f"Ray cannot start on this machine, and nothing was started: its sockets need a writable folder whose path has "
        f"at most {longest} bytes. {wanted} (TMPDIR or RAY_TMPDIR) is not one, and neither are "
        f"{', '.join(SHORT_FOLDERS)}; set RAY_TMPDIR to one"
    )


def _wanted() -> Path:
    return Path(temporary_folder()).absolute()


def _writable(folder: Path) -> bool:
    """Whether files can be created in `folder`, which may itself have to be created."""
    existing = next(path for path in (folder / "ray", folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _holds_store(folder: Path) -> bool:
    try:
        return os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free >= OBJECT_STORE
    except OSError:
        return False


@contextmanager
def _token() -> Iterator[None]:
    """Set a Ray token for this process and its children; else Ray would store a permanent one in the home folder."""
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    with _set({} if given else {"RAY_AUTH_TOKEN": secrets.token_hex(32)}):
        reread_token()
        yield


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Make a Ray started in this context listen on 127.0.0.1 only. On Linux its servers would listen on every
    interface, and `_node_ip_address` only selects another address of the machine. The workers of a trial inherit the
    environment and communicate over the loopback interface too."""
    interfaces = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    own = {"GLOO_SOCKET_IFNAME": interfaces[0]} if interfaces and "GLOO_SOCKET_IFNAME" not in os.environ else {}
    with without_clusters(), _set(own):
        yield


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the context lasts, for this process and those that it starts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _remove_sessions(folder: Path) -> None:
    """Remove the session folders that this process' Rays left in `folder`."""
    for session in folder.glob(f"session_*_{os.getpid()}"):
        latest = session.with_name("session_latest")
        if latest.is_symlink() and latest.resolve() == session.resolve():
            latest.unlink(missing_ok=True)
        shutil.rmtree(session, ignore_errors=True)
