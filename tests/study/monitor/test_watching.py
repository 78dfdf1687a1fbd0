"""What a running study shows: gauges behind Ray's dashboard, which the Grafana board names rightly, and a journal that
optuna-dashboard reads."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
import ray

from study.driver.run_study import run_study
from study.driver.tune_adapters import Ticker
from study.monitor.console import Progress
from study.plan.plan import load_plan
from study.results.folder import ResultsFolder
from tests.support import ROOT, simulated
from tests.support.studies import WriteStudy
from tests.support.waits import until

BOARD = ROOT / "cluster" / "monitoring" / "grafana.json"
ONLY_WITH_A_GPU = {"ray_node_gpus_utilization"}


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def expressions() -> list[str]:
    board = json.loads(BOARD.read_text())
    queries = [variable["query"]["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    return queries + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


@pytest.mark.usefixtures("local_ray")
def test_the_board_shows_what_a_study_reports(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_stage = {"fixed__method": "dividemix", "fixed__pretrain": {"epochs": 0}, "baselines": {}}
    own = {"name": "board"}  # gauges of other studies in this process stay for a while
    plan = load_plan(write_study(**no_stage, **own, budget__trials_per_condition=1, loggers=["tensorboard"]))
    folder = ResultsFolder(tmp_path / "results")
    folder.root.mkdir()
    url = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
    tick, seen, asked = Ticker.on_step_end, set[str](), [0.0]

    def look(ticker: Ticker, *step: object, **info: object) -> None:
        if time.monotonic() - asked[0] > 1:
            asked[0] = time.monotonic()
            seen.update(line for line in get(url).splitlines() if not line.startswith("#"))
        tick(ticker, *step, **info)

    monkeypatch.setattr(Ticker, "on_step_end", look)
    assert run_study(plan, folder, Progress(plan), simulated.uneven)
    exported: dict[str, set[str]] = {}
    for line in seen:
        name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()  # type: ignore[union-attr]
        exported.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    for expression in expressions():
        for name, labels in re.findall(r"(ray_\w+)(?:\{([^}]*)\})?", expression):
            if name not in ONLY_WITH_A_GPU:
                assert name in exported, expression
                assert set(re.findall(r"(\w+)=~", labels)) <= exported[name], expression
        if by := re.search(r"by \((\w+)\)", expression):
            assert by[1] in exported[re.findall(r"ray_\w+", expression)[0]]
    wanted = ("ray_codim_trial_metric{", 'study="board"', 'condition="symmetric-0.5"')
    reached = [line for line in seen if all(part in line for part in wanted)]
    assert reached
    curve = [row["val_acc"] for row in folder.read_epochs("symmetric-0.5-0000")]
    assert all(any(abs(float(line.split()[-1]) - value) < 1e-6 for value in curve) for line in reached)
    assert {path.name for path in (folder.root / "tensorboard").iterdir()} == {r.trial for r in folder.read_trials()}


def test_optuna_dashboard_reads_the_journal_of_a_study(write_study: WriteStudy, tmp_path: Path) -> None:
    """And leaves it as it is."""
    from tests.support.drive import drive

    journal = tmp_path / "optuna.journal"
    drive(load_plan(write_study(budget__trials_per_condition=3)), journal)
    before = journal.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), str(journal), "--port", str(port)]
    dashboard = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        known = json.loads(when_it_answers(f"http://127.0.0.1:{port}/api/studies", dashboard))["study_summaries"]
        by_name: dict[str, Any] = {summary["study_name"]: summary for summary in known}
        assert {"symmetric-0.5", "symmetric-0.8"} <= set(by_name)
        number = by_name["symmetric-0.5"]["study_id"]
        trials = json.loads(get(f"http://127.0.0.1:{port}/api/studies/{number}?after=0"))["trials"]
        assert sum(trial["state"] == "Complete" and len(trial["intermediate_values"]) > 3 for trial in trials) == 3
    finally:
        dashboard.terminate()
        dashboard.wait(20)
    assert journal.read_bytes() == before
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def when_it_answers(url: str, server: "subprocess.Popen[bytes]") -> str:
    answers: list[str] = []

    def answered() -> bool:
        with suppress(OSError):
            answers.append(get(url))
        return bool(answers)

    until(answered, server)
    return answers[0]
