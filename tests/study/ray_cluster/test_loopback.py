"""A Ray of our own serves nobody but this machine: while a study runs in it, no process of it listens elsewhere."""

from pathlib import Path

import pytest
import ray  # puts its own psutil on the path

from study.driver.run_study import run_study
from study.driver.tune_adapters import Ticker
from study.monitor.console import Progress
from study.plan.plan import load_plan
from study.results.folder import ResultsFolder
from tests.support import simulated
from tests.support.studies import WriteStudy
from tests.support.waits import loopback


def listening() -> set[tuple[str, str]]:
    """(Name, address) of every TCP server among this process and those of its Ray."""
    import psutil

    session = ray._private.worker._global_node.session_name
    found = set()
    for process in psutil.process_iter():
        try:
            ours = process.pid == psutil.Process().pid or session in " ".join(process.cmdline())
            # Workers and agents rename themselves, and so hide their command line.
            if ours or any(session in " ".join(parent.cmdline()) for parent in process.parents()):
                servers = [c for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN]
                found |= {(process.name(), server.laddr.ip) for server in servers}
        except psutil.Error:  # it has ended
            continue
    return found


@pytest.mark.usefixtures("local_ray")
def test_nothing_listens_beyond_this_machine(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, folder, seen = load_plan(write_study()), ResultsFolder(tmp_path / "results"), set[tuple[str, str]]()
    folder.root.mkdir()
    tick = Ticker.on_step_end

    def look(ticker: Ticker, *step: object, **info: object) -> None:
        if (folder.root / "trials.parquet").exists() and not any(
            name.startswith("ray::ImplicitFunc") for name, _ in seen
        ):
            seen.update(listening())
        tick(ticker, *step, **info)

    monkeypatch.setattr(Ticker, "on_step_end", look)
    assert run_study(plan, folder, Progress(plan), simulated.slow)
    names = {name for name, _ in seen}
    assert {"gcs_server", "raylet"} <= names
    assert any(name.startswith("ray::ImplicitFunc") for name in names), names
    assert [(name, ip) for name, ip in sorted(seen) if not loopback(ip)] == []
