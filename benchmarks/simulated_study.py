"""Cost of the driver: 300 simulated trials over 4 conditions, the start of Ray included. Bar: 0.5 s a trial.

Usage: python benchmarks/simulated_study.py
"""

import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SIMULATED = Path(__file__).parents[1] / "tests" / "study"
os.environ["PYTHONPATH"] = str(SIMULATED)  # for Ray's workers
sys.path.insert(0, str(SIMULATED))

import simulated  # noqa: E402

from study.cluster import connected  # noqa: E402
from study.driver import run_study  # noqa: E402
from study.plan import load_plan  # noqa: E402
from study.progress import Progress  # noqa: E402
from study.records import ResultsFolder  # noqa: E402

STUDY = """
name: simulated
fixed: {train: {samples: 8000}, pretrain: {epochs: 1}, warmup: {epochs: 1}, mixmatch: {rampup_epochs: 1}}
conditions:
  - {kind: symmetric, rate: 0.2}
  - {kind: symmetric, rate: 0.5}
  - {kind: symmetric, rate: 0.8}
  - {kind: asymmetric, rate: 0.4, map: digits}
space: {mixmatch/lambda_u: {type: float, low: 1, high: 100, log: true}}
baselines: {codim-sup: {method: codim-sup}}
pruner: {kind: successive_halving, min_budget: 4000}
budget: {trials_per_condition: 74}
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "study.yaml").write_text(STUDY)
        plan = load_plan(Path(scratch) / "study.yaml")
        folder = ResultsFolder(Path(scratch) / "results")
        folder.root.mkdir()
        started = time.perf_counter()
        with connected(None, cpus=2, gpus=0):
            finished = run_study(plan, folder, Progress(plan), simulated.curve)
        seconds = time.perf_counter() - started
        assert finished
    versions = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna", "torch"))
    print(f"{plan.trials} trials in {seconds:.1f} s: {seconds / plan.trials:.3f} s a trial (2 trials at a time)")
    print(f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, {versions}")


if __name__ == "__main__":
    main()
