"""Connection to Ray: a private one on this machine, or a running cluster."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Tune reads these when it starts. The study's tables replace its loggers, and Optuna's journal its saved state.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")

import ray
from ray.exceptions import AuthenticationError, RayError
from ray.util.state import list_nodes
from ray.util.state.exception import RayStateApiException

import codim
from codim.text.safe_text import printable
from study.errors import ClusterError
from study.ray_cluster.head_watch import head_watched
from study.ray_cluster.own_ray import own_ray
from study.ray_private import address_in, messages_to
from study.spec.sections import Resources

OF_LOST_NODES = ("The node with node id", "Raylet is terminated")
MOST_CHARACTERS = 300
TOKEN_HELP = (
    "if the Ray cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN=<token> (or RAY_AUTH_TOKEN_PATH, "
    "or put it in ~/.ray/auth_token); `ray get-auth-token` on the head node prints it"
)


@contextmanager
def connected(address: str | None, cpus: int, gpus: int) -> Iterator[str]:
    """Connect to Ray while the context lasts; yields the address of its dashboard.

    Args:
        address: `auto` (RAY_ADDRESS, or what `ray start` started here) or `host:port` of a running cluster; None: start
            a private Ray on this machine with `cpus` and `gpus`, which leaves no process and no temporary file.
    Raises:
        ClusterError: there is no cluster, it refuses the connection, or one of our tasks failed in it.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # the driver reports trials and interruptions itself
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    ray_process = own_ray(cpus, gpus, **quiet) if address is None else _joined(address, quiet)
    with messages_to(_brief), ray_process as context:
        try:
            with head_watched(ray.get_runtime_context().gcs_address):
                yield f"http://{context.dashboard_url}" if context.dashboard_url else "none"
        except RayError as error:
            raise ClusterError(str(error)) from error


@contextmanager
def _joined(address: str, quiet: dict[str, Any]) -> Iterator[Any]:
    found = _found(address)
    modules = [codim.__path__[0], str(Path(__file__).parents[1])]
    try:
        context = ray.init(address=found, runtime_env={"py_modules": modules}, **quiet)
    except (AuthenticationError, ConnectionError, RuntimeError) as error:
        # Without the right token Ray gives up after 10 s and says only that it cannot connect.
        reason = str(error).strip().partition("\n")[0]
        raise ClusterError(
            f"--address {address}: something answers there, but refuses this connection ({reason}); {TOKEN_HELP}"
        ) from error
    try:
        yield context
    finally:
        ray.shutdown()


def _brief(data: dict[str, Any], ignore_prefix: bool = False) -> None:
    """Print one line of each message: the end of a raylet prints 40 lines of its state. Lost nodes are left out; the
    study reports them (study/ray_cluster/nodes.py)."""
    for message in data["lines"]:
        first = str(message).strip().partition("\n")[0]
        if first and not first.startswith(OF_LOST_NODES):
            print(f"Ray: {printable(first)[:MOST_CHARACTERS]}", file=sys.stderr, flush=True)


def _found(address: str) -> str:
    """Return host:port of a cluster that answers. Raises ClusterError. Ray's own `auto` would also join the private Ray
    of another program, and wait minutes for a host:port where nothing listens."""
    if address.startswith("ray://"):
        raise ClusterError(
            f"--address {address}: through Ray Client, Tune would move the search out of this process; run the study "
            "on a node of the cluster with --address auto, e.g. by `ray job submit`"
        )
    found = address
    if address == "auto":
        usual = os.environ.get("RAY_ADDRESS") or address_in(None)
        started = [usual] if usual else started_here()
        if not started:
            raise _no_cluster(address, ConnectionError("none was started on this machine, and RAY_ADDRESS is not set"))
        if len(started) > 1:
            raise ClusterError(
                f"--address auto: {' and '.join(started)} were started on this machine; give one of them"
            )
        found = started[0]
    host, _, port = found.rpartition(":")
    if not host or not port.isdigit():
        raise ClusterError(f"--address {address}: allowed: auto, host:port")
    if error := _fault(found):
        raise _no_cluster(address, error) from error
    return found


def _fault(address: str) -> OSError | None:
    """Return the error of a connection to host:port; None: it succeeds."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        return error
    return None


def started_here() -> list[str]:
    """Return the addresses of clusters that `ray start` started on this machine with their own --temp-dir. A Ray that a
    program started for itself has none."""
    import psutil  # Ray's own

    folders = set()
    for process in psutil.process_iter(["cmdline"]):
        for word in process.info["cmdline"] or ():
            if word.startswith(("--session-dir=", "--session_dir=")):
                folders.add(str(Path(word.partition("=")[2]).parent))
    found = {address for folder in folders if (address := address_in(folder))}
    return sorted(address for address in found if not _fault(address))  # the file outlives its cluster


def _no_cluster(address: str, error: Exception) -> ClusterError:
    reason = str(error).strip().splitlines()[0]
    return ClusterError(
        f"--address {address}: no Ray cluster answers ({reason}); start one with `ray start --head`, or leave "
        "--address out to run on this machine"
    )


def node_resources() -> list[tuple[float, float]]:
    """Return (CPUs, GPUs) of each live node."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [(node.get("CPU", 0), node.get("GPU", 0)) for node in nodes]


def require_dashboard(resources: Resources) -> None:
    """Check that trials of several workers can free their resources. Raises ClusterError.

    When such a trial is pruned, its Ray Train run dies with it, and the CPUs of its workers are freed by a process of
    Ray Train that asks the dashboard whether the run is dead.
    """
    if resources.workers_per_trial == 1:
        return
    own = {node["NodeID"] for node in ray.nodes()}  # type: ignore[no-untyped-call]
    try:
        # For a cluster without a dashboard Ray asks at the default port, where another cluster's may answer.
        answered = {node.node_id for node in list_nodes(address=ray.get_runtime_context().gcs_address)}
        fault = "" if answered & own else "only that of another cluster answers"
    except (AuthenticationError, RayStateApiException, OSError, ValueError) as error:
        fault = f"it does not answer: {str(error).strip().partition(chr(10))[0]}"
    if fault:
        raise ClusterError(
            "resources -> workers_per_trial: several workers need Ray's dashboard, without which a pruned trial never "
            f"releases its CPUs ({fault}); start the cluster with `ray start --head --include-dashboard=true` and "
            "ray[default]"
        )
