"""A Ray of our own on this machine, which serves nobody else and leaves nothing behind."""

import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._common.utils import get_default_system_temp_dir
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from study.errors import ClusterError

SOCKET_BYTES = 107
"""The longest address of a Unix socket on Linux."""
SESSION = "/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""Longest part of such an address below the folder for temporary files."""
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
OBJECT_STORE = 80 << 20
"""Bytes of shared memory that Ray's object store asks for at least."""
STARTS = 2
"""Ray gives its first process 30 seconds; on a busy machine the second try finds its files in memory."""


@contextmanager
def own_ray(cpus: int, gpus: int, **options: Any) -> Iterator[Any]:
    """A Ray while the context lasts; gives what `ray.init` does.

    Raises:
        ClusterError: it cannot be started.
    """
    folder = _folder()
    store = {} if _holds_store(Path("/dev/shm")) else {"_plasma_directory": str(folder)}
    with ExitStack() as stack:
        stack.enter_context(_token())
        stack.callback(_remove_sessions, folder / "ray")
        stack.callback(ray.shutdown)
        # Python's own sockets, in Ray's processes, lie in TMPDIR.
        with _on_loopback(), _set({} if folder == _wanted() else {"TMPDIR": str(folder)}):
            context = _started(folder, num_cpus=cpus, num_gpus=gpus, **store, **options)
        yield context


def _started(folder: Path, **options: Any) -> Any:
    for left in reversed(range(STARTS)):
        try:
            return ray.init(address="local", dashboard_host="127.0.0.1", _temp_dir=str(folder / "ray"), **options)
        except Exception as error:  # Ray raises bare Exception, among others
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
    """Where Ray keeps its files: the folder for temporary files, or a short one where the sockets in it would have too
    long an address."""
    wanted = _wanted()
    for folder in (wanted, *map(Path, SHORT_FOLDERS)):
        fits = len(os.fsencode(f"{folder}{SESSION}")) <= SOCKET_BYTES
        if fits and _writable(folder):
            return folder
    longest = SOCKET_BYTES - len(SESSION)
    raise ClusterError(
        f"Ray cannot start on this machine, and nothing was started: its sockets need a folder that can be written and "
        f"whose name has at most {longest} bytes. {wanted} is none (TMPDIR or RAY_TMPDIR), nor are "
        f"{', '.join(SHORT_FOLDERS)}; set RAY_TMPDIR to one"
    )


def _wanted() -> Path:
    return Path(get_default_system_temp_dir()).absolute()  # type: ignore[no-untyped-call]


def _writable(folder: Path) -> bool:
    """Whether files can be made there; a folder that is missing may be made."""
    existing = next(path for path in (folder / "ray", folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _holds_store(folder: Path) -> bool:
    try:
        return os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free >= OBJECT_STORE
    except OSError:
        return False


@contextmanager
def _token() -> Iterator[None]:
    """A token for this process and its children. Without one Ray would make one that lasts, in the home folder."""
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    with _set({} if given else {"RAY_AUTH_TOKEN": secrets.token_hex(32)}):
        AuthenticationTokenLoader.instance().reset_cache()
        yield


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray started in this context listens on 127.0.0.1 only: it does as on a Mac, where it forms no clusters. On Linux
    its servers would listen on every interface, and `_node_ip_address` changes that only to another address of the
    machine. Workers of one trial, which inherit the environment, talk over the same interface."""
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    interfaces = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    own = {"GLOO_SOCKET_IFNAME": interfaces[0]} if interfaces and "GLOO_SOCKET_IFNAME" not in os.environ else {}
    try:
        with _set(own):
            yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """The environment with these variables, for this process and what it starts meanwhile."""
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
    """Remove what this process' Rays left there."""
    for session in folder.glob(f"session_*_{os.getpid()}"):
        latest = session.with_name("session_latest")
        if latest.is_symlink() and latest.resolve() == session.resolve():
            latest.unlink(missing_ok=True)
        shutil.rmtree(session, ignore_errors=True)
