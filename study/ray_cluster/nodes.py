"""The nodes of a cluster: whether each can run a trial of this study, and which leave or join while it runs.

Order of calls by the driver, once Ray is connected: `nodes` and `describe_nodes`; `require_able`, which runs a small
task on each node; `measured_speed`, on one of them, for the forecast; `Watch.look` on every tick of the run.
"""

import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from codim.config.budget import Speed
from codim.runtime.announce import announced
from codim.runtime.progress_bar import LINE_SECONDS, clock
from study.errors import ClusterError
from study.plan.plan import Plan
from study.preflight.checks import LIBRARIES, concurrent_trials, threads
from study.preflight.forecast import TIMING, representative
from study.results.object_storage import Remote, is_remote
from study.spec.sections import Resources

WATCH_SECONDS = 5.0
"""Minimum seconds between two checks of which nodes are alive."""


@dataclass(frozen=True)
class Node:
    """A live node of the cluster, with its resources."""

    id: str
    """Ray's id of the node."""
    name: str
    """Address of the node, with the port if several nodes share the address."""
    cpus: float
    gpus: float
    gib: float
    """Memory in GiB."""


@dataclass(frozen=True)
class Answer:
    """Reply of a node to the check of `require_able`."""

    versions: dict[str, str]
    fault: str
    """Why the node cannot see its GPU, load the data or use the results folder; empty: it can."""
    warning: str = ""
    """Why trials are slow on the node; empty: they are not."""


def nodes() -> list[Node]:
    """Return the live nodes of the connected cluster, sorted by name."""
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    addresses = [node["NodeManagerAddress"] for node in alive]
    found = []
    for node in alive:
        address, has = node["NodeManagerAddress"], node["Resources"]
        name = f"{address}:{node['NodeManagerPort']}" if addresses.count(address) > 1 else address
        found.append(Node(node["NodeID"], name, has.get("CPU", 0), has.get("GPU", 0), has.get("memory", 0) / 2**30))
    return sorted(found, key=lambda node: node.name)


class Watch:
    """Reports which nodes leave and join the cluster."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._looked = say, time.monotonic()
        self._known = {node.id: node for node in nodes()}

    def look(self) -> None:
        """Report changes since the last check, at most every WATCH_SECONDS; cheap to call often."""
        if time.monotonic() - self._looked < WATCH_SECONDS:
            return
        self._looked = time.monotonic()
        alive = {node.id: node for node in nodes()}
        for gone in self._known.keys() - alive.keys():
            node = self._known.pop(gone)
            self._say(f"node {node.name} is lost ({_has(node)}); its trials resume on other nodes as they have room")
        for new in alive.keys() - self._known.keys():
            self._known[new] = alive[new]
            self._say(f"node {alive[new].name} has joined: {_has(alive[new])}")


def _has(node: Node) -> str:
    return f"{node.cpus:g} CPUs, {node.gpus:g} GPUs"


def describe_nodes(resources: Resources, found: Sequence[Node]) -> str:
    """Describe the resources of each node, and how many trials fit on it at a time."""
    lines = [f"nodes: {len(found)}"]
    for node in found:
        fits = concurrent_trials(resources, [(node.cpus, node.gpus)])
        lines.append(f"  {node.name}: {_has(node)}, {node.gib:.1f} GiB: {fits} trials at a time")
    return "\n".join(lines)


def require_able(
    plan: Plan, found: Sequence[Node], folder: str, dry_run: bool, say: Callable[[str], None] = print
) -> None:
    """Check that every node has the driver's versions, the data and files of the study, and the results folder.

    Args:
        dry_run: write nothing; then a different folder of the same name on another node passes too.
    Raises:
        ClusterError: names every node that fails, and why.
    """
    configs = [plan.searched_config(condition, {}, 0).model_dump(mode="json") for condition in plan.conditions]
    configs += [
        plan.baseline_config(plan.conditions[0], name, 0).model_dump(mode="json") for name in plan.spec.baselines
    ]
    configs.append(representative(plan).model_dump(mode="json"))
    here, faults = _versions(), []
    with _marked(folder, dry_run) as mark:
        task, need = ray.remote(num_cpus=0, max_retries=0)(_answer), plan.spec.resources.gpus_per_worker
        asked = [
            # With a share of a GPU: without one, Ray hides all GPUs.
            task.options(scheduling_strategy=_only_on(node), num_gpus=need if node.gpus >= need else 0).remote(
                configs, folder, mark, bool(need) and node.gpus >= need
            )
            for node in found
        ]
        _await(found, asked, say)
        for node, reference in zip(found, asked, strict=True):
            try:
                answer = ray.get(reference)
            except RayError as error:
                faults.append(f"node {node.name} cannot run this code: {str(error).strip().splitlines()[-1]}")
                continue
            for name, own in answer.versions.items():
                if own != here[name]:
                    faults.append(f"node {node.name} has {name} {own}, this process {here[name]}")
            if answer.warning:
                say(f"warning: node {node.name}: {answer.warning}")
            if answer.fault:
                faults.append(f"node {node.name}: {answer.fault}")
            elif mark and f"{mark}.{node.id}" not in Remote(folder).names(recursive=False):
                faults.append(f"node {node.name}: files that it writes to {folder} are not visible here")
    if faults:
        raise ClusterError("; ".join(faults))


@contextmanager
def _marked(folder: str, dry_run: bool) -> Iterator[str]:
    """Yield the name of a file in `folder` that shows a node that it sees the same folder; empty in a dry run."""
    if dry_run:
        yield ""
        return
    place, mark = Remote(folder), f".seen-{uuid.uuid4().hex}"
    place.put(mark, b"")
    try:
        yield mark
    finally:
        for name in place.names(recursive=False):
            if name.startswith(mark):
                place.delete(name)


def _only_on(node: Node) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node.id, soft=False)


def _await(found: Sequence[Node], asked: Sequence[Any], say: Callable[[str], None]) -> None:
    """Wait until all nodes have answered or failed, and report now and then which have not."""
    begun, open_ = time.monotonic(), dict(zip(asked, found, strict=True))
    say(f"asking {len(found)} nodes for versions, data and results folder; each loads the data once ...")
    while open_:
        for reference in ray.wait(list(open_), num_returns=len(open_), timeout=LINE_SECONDS)[0]:
            del open_[reference]
        if open_:
            names = ", ".join(node.name for node in open_.values())
            say(f"no answer yet from {names}: {clock(time.monotonic() - begun)} so far")


def measured_speed(plan: Plan, found: Sequence[Node], say: Callable[[str], None]) -> Speed:
    """Run `measure_speed` on the first node that has room for a worker. Raises RayError."""
    from study.preflight.speed import measure_speed

    need = plan.spec.resources
    node = next(n for n in found if n.cpus >= need.cpus_per_worker and n.gpus >= need.gpus_per_worker)
    task = ray.remote(num_cpus=need.cpus_per_worker, num_gpus=need.gpus_per_worker)(measure_speed)
    with announced(say, f"node {node.name}: {TIMING}"):
        asked = task.options(scheduling_strategy=_only_on(node)).remote(representative(plan), threads(plan))
        speed: Speed = ray.get(asked)
    return speed


def _answer(configs: list[dict[str, Any]], folder: str, mark: str, with_gpu: bool) -> Answer:
    """Check, in a task on the node, what a trial needs there. `with_gpu`: Ray has assigned the task a GPU."""
    faults, warning = [_storage_fault(folder, mark), _gpu_fault() if with_gpu else ""], ""
    try:
        import torch

        from codim.config.train_config import TrainConfig
        from codim.data.load import load_data
        from codim.runtime.device import slow_precision

        # Validation checks that files named by settings exist, such as label files and initial weights.
        checked = [TrainConfig.model_validate(config) for config in configs]
        load_data(checked[0].data, checked[0].noise)
        warning = slow_precision(torch.device("cuda" if with_gpu else "cpu"), checked[0].network.precision)
    except (ValueError, OSError, ImportError) as error:
        faults.append(" ".join(str(error).split()))
    return Answer(_versions(), "; ".join(filter(None, faults)), warning)


def _gpu_fault() -> str:
    import torch

    if torch.cuda.is_available():
        return ""
    return (
        f"it offers GPUs, and torch {torch.__version__} sees none there; start it with the right --num-gpus, or "
        "install a torch and a driver that fit each other"
    )


def _storage_fault(folder: str, mark: str) -> str:
    shared = "on a cluster of several nodes the results must lie on storage that all of them share"
    if not mark and not is_remote(folder):
        existing = next(path for path in (Path(folder), *Path(folder).parents) if path.exists())
        writable = os.access(existing, os.W_OK | os.X_OK)
        return "" if writable else f"--results {folder}: {existing} cannot be written there; {shared}"
    try:
        place = Remote(folder)
        seen = place.names(recursive=False)
        if mark and mark not in seen:
            return f"--results {folder}: it does not see this folder; {shared}"
        if mark:
            place.put(f"{mark}.{ray.get_runtime_context().get_node_id()}", b"")
    except OSError as error:
        return f"--results {folder}: it cannot use it: {error.strerror}"
    return ""


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found
