"""The files of cluster/: each is valid for its own tool as far as that can be asked here, and calls what we have."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # Ray's cluster launcher brings it along
import pytest
import ray
import tyro
from ruamel.yaml import YAML

from study.plan.plan import load_plan
from study.run import Arguments
from tests.support import ROOT

FILES = {path.name: path for path in (ROOT / "cluster").iterdir() if path.is_file()}
LAUNCHED = ["aws.yaml", "gcp.yaml"]
RAY = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.M)


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(FILES[name])


def test_each_is_looked_at_here() -> None:
    assert set(FILES) == {*LAUNCHED, "kuberay.yaml", "slurm.sh"}


@pytest.mark.parametrize("name", LAUNCHED)
def test_the_launcher_of_ray_takes_it(name: str) -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    config = read(name)
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config | {"max_worker": 1}, schema)
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(config))


def test_workers_may_be_taken_away_and_the_head_not() -> None:
    aws, gcp = (read(name)["available_node_types"] for name in LAUNCHED)
    assert aws["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert {"preemptible": True} in gcp["worker"]["node_config"]["scheduling"]
    assert "InstanceMarketOptions" not in aws["head"]["node_config"]
    assert "scheduling" not in gcp["head"]["node_config"]
    spec = read("kuberay.yaml")["spec"]["rayClusterSpec"]
    assert "nodeSelector" in spec["workerGroupSpecs"][0]["template"]["spec"]
    assert "nodeSelector" not in spec["headGroupSpec"]["template"]["spec"]


@pytest.mark.parametrize("name", [*LAUNCHED, "kuberay.yaml"])
def test_it_has_the_ray_that_we_install(name: str) -> None:
    assert RAY
    versions = re.findall(r"rayproject/ray:(\d[\d.]*)|rayVersion: (\d[\d.]*)", FILES[name].read_text())
    assert versions
    assert {found for pair in versions for found in pair if found} == {RAY[1]}


@pytest.mark.parametrize("name", FILES)
def test_it_asks_for_a_token(name: str) -> None:
    assert re.search(r"RAY_AUTH_MODE=token|authOptions: \{mode: token\}", FILES[name].read_text())


@pytest.mark.parametrize("name", FILES)
def test_it_calls_the_command_line_that_we_have(name: str) -> None:
    text = re.sub(r"\n\s*(#\s*)?(?=--)", " ", FILES[name].read_text())
    text = text.replace('"$SPACE"', "search_spaces/cifar10.yaml")
    calls = re.findall(r"study/run\.py (--[^'\n&]*)", text)
    assert calls
    for call in calls:
        arguments = tyro.cli(Arguments, args=shlex.split(call))
        assert arguments.address
        load_plan(ROOT / arguments.space, nominal=True)


def test_the_job_of_slurm_is_a_script() -> None:
    subprocess.run(["bash", "-n", FILES["slurm.sh"]], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", FILES["slurm.sh"]], check=True)


def test_the_job_of_kuberay_fits_together() -> None:
    """The parts that KubeRay's own schema requires, and volumes that its containers name."""
    job = read("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all({"groupName", "replicas", "minReplicas", "maxReplicas"} <= group.keys() for group in groups[1:])
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for own in pod["containers"] for mount in own["volumeMounts"]} <= volumes
