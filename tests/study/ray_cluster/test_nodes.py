"""A cluster of two nodes that see different file systems and libraries, behind a token: what preflight says of it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.heads import ray_process
from tests.support.studies import SPEC, Head

NAMESPACES = subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
pytestmark = pytest.mark.skipif(not NAMESPACES, reason="this machine forbids mount namespaces")
ASK = """
import json, sys
from pathlib import Path
from study.ray_cluster.connection import connected
from study.ray_cluster.nodes import describe_nodes, nodes, require_able
from study.ray_cluster.own_ray import ClusterError
from study.plan.plan import load_plan

plan = load_plan(Path(sys.argv[2]))
with connected(sys.argv[1], 0, 0):
    found = nodes()
    print(json.dumps(describe_nodes(plan.spec.resources, found)))
    for folder in sys.argv[3:]:
        for dry_run in (True, False):
            try:
                print(json.dumps(require_able(plan, found, folder, dry_run, str)))
            except ClusterError as error:
                print(json.dumps(str(error)))
"""


class Cluster(NamedTuple):
    address: str
    environment: dict[str, str]
    base: Path
    """Holds `inputs/data`, which the second node lacks, and folders for results: `hidden`, `read-only`, `shared`."""


@pytest.fixture(scope="module")
def cluster(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    base = tmp_path_factory.mktemp("cluster")
    for name in ("hidden", "read-only", "shared", "libraries/optuna-0.0.1.dist-info"):
        (base / name).mkdir(parents=True)
    (base / "libraries" / "optuna-0.0.1.dist-info" / "METADATA").write_text("Name: optuna\nVersion: 0.0.1\n")
    pictures(base / "inputs" / "data")
    mounts = f"mount -t tmpfs none {base}/hidden && mount -t tmpfs none {base}/inputs && "
    mounts += f"mount --bind {base}/read-only {base}/read-only && mount -o remount,ro,bind {base}/read-only && "
    poor = {**head.environment, "PYTHONPATH": f"{base / 'libraries'}:{ROOT}"}
    command = ["unshare", "-rm", "sh", "-c", f'{mounts} exec "$@"', "sh", *head.start, f"--address={head.address}"]
    with ray_process(command, poor, base / "second.log", r"(Ray runtime started)"):
        yield Cluster(head.address, head.environment, base)


def pictures(folder: Path) -> None:
    """Two classes of 20 images."""
    draw = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for i in range(20):
            Image.fromarray(draw.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")


@pytest.fixture(scope="module")
def study(cluster: Cluster) -> Path:
    changes = {
        "fixed": {
            "data": {"name": "folder", "root": "inputs/data", "cache": "cache", "cache_size": 8},
            "train": {"samples": 900, "batch_size": 8},
            **{name: SPEC["fixed"][name] for name in ("pretrain", "warmup", "mixmatch")},
        },
        "conditions": [{"kind": "none"}],
    }
    file = cluster.base / "study.yaml"
    YAML(typ="safe", pure=True).dump(SPEC | changes, file)
    return file


@pytest.fixture(scope="module")
def told(cluster: Cluster, study: Path) -> dict[str, Any]:
    """What is said of each folder: in a dry run, and else."""
    folders = [str(cluster.base / name) for name in ("hidden", "read-only", "shared")]
    command = [sys.executable, "-c", ASK, cluster.address, str(study), *folders]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    nodes, *said = map(json.loads, done.stdout.splitlines())
    return {"nodes": nodes} | {Path(f).name: said[2 * i : 2 * i + 2] for i, f in enumerate(folders)}


def test_nodes_and_what_fits_there(told: dict[str, Any]) -> None:
    first, *nodes = told["nodes"].splitlines()
    assert first == "nodes: 2"
    assert [re.sub(r".*?: (.*) [\d.]+ GiB", r"\1", node) for node in nodes] == [
        "2 CPUs, 0 GPUs,: 2 trials at a time"
    ] * 2


def test_another_version_is_named_with_its_node_and_both_versions(told: dict[str, Any], cluster: Cluster) -> None:
    for said in (*told["hidden"], *told["shared"]):
        assert re.search(r"node [\d.]+:\d+ has optuna 0\.0\.1, this process \d+\.\d+", said)
        assert said.count(" this process ") == 1
        assert len(set(re.findall(r"node ([\d.]+:\d+)", said))) == 1


def test_missing_data_are_named_with_their_layout(told: dict[str, Any], cluster: Cluster) -> None:
    for said in told["shared"]:
        assert re.search(rf"node [\d.]+:\d+: .*{cluster.base / 'inputs' / 'data'}.*allowed: a folder", said)


def test_results_that_are_not_shared(told: dict[str, Any], cluster: Cluster) -> None:
    assert f"{cluster.base / 'hidden'}: it does not see this folder" in told["hidden"][1]
    assert f"{cluster.base / 'read-only'} cannot be written there" in told["read-only"][0]
    assert f"{cluster.base / 'read-only'}: it cannot use it: Read-only file system" in told["read-only"][1]
    assert not any("--results" in said for said in told["shared"])
    assert not any(any((cluster.base / name).iterdir()) for name in ("hidden", "read-only", "shared"))


def test_a_wrong_token(cluster: Cluster, study: Path) -> None:
    command = [sys.executable, str(ROOT / "study" / "run.py"), "--space", str(study), "--address", cluster.address]
    wrong = {**cluster.environment, "RAY_AUTH_TOKEN": "b" * 32}
    results = cluster.base / "refused"
    done = subprocess.run([*command, "--results", str(results)], env=wrong, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2
    message = done.stderr.splitlines()[-1]
    assert message.startswith(
        f"error: --address {cluster.address}: something answers there, but refuses this connection"
    )
    assert "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN=<token>" in message
    assert "Traceback" not in done.stderr
    assert not results.exists()
