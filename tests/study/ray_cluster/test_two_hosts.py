"""A cluster of two hosts, each a network namespace with an address of its own; the network between them breaks."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.results.folder import ResultsFolder
from tests.support.faulty import NO_STAGE, assert_whole, node, start, trials_on
from tests.support.heads import started_head
from tests.support.studies import Host, WriteStudy
from tests.support.waits import end_of, until

IMPATIENT = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
NAMES = [f"codim-{os.getpid()}-{i}" for i in range(2)]


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    made = []
    try:
        for name in NAMES:
            subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
            made.append(name)
        ends = [("netns", name, "name", "net") for name in NAMES]
        subprocess.run(["ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1]], check=True)
        found = []
        for i, name in enumerate(NAMES):
            address = f"10.231.0.{i + 1}"
            for command in (f"addr add {address}/24 dev net", "link set net up", "link set lo up"):
                subprocess.run(["ip", "-n", name, *command.split()], check=True)
            found.append(Host(("ip", "netns", "exec", name), (f"--node-ip-address={address}",)))
        yield found
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=True)


def test_the_network_breaks(hosts: list[Host], write_study: WriteStudy, ray_folder: Path, tmp_path: Path) -> None:
    import psutil

    file, folder = write_study(**NO_STAGE, budget__trials_per_condition=4), ResultsFolder(tmp_path / "results" / "tiny")
    near, far = hosts
    with (
        started_head(ray_folder, tmp_path / "near.log", near, **IMPATIENT) as head,
        node(head, tmp_path / "far.log", far) as other,
    ):
        driver = start(file, folder, head, "held")
        until(lambda: trials_on(other, folder), driver)
        subprocess.run(["ip", "-n", NAMES[1], "link", "set", "net", "down"], check=True)
        (folder.ray / "go").touch()
        said = end_of(driver)
        for process in (*psutil.Process(other.pid).children(recursive=True), other):
            process.kill()  # asked to end, it would wait for its head
    assert driver.returncode == 0, said
    assert "10.231.0.2: 2 CPUs" in said
    assert_whole(folder, 8)
