"""Time and memory of the analysis: reading a study and writing its page, as the number of trials grows. Bars: 1,000
trials of 300 epochs are read in 1 s, their page is written in 20 s with 1.5 GB; 10,000 are read in 5 s.

The studies are made up: 8 conditions, four searched settings, a third of the trials pruned, every epoch row full. Each
measurement is a process of its own, the imports left out of its time and not of its memory, which is the sum of the
peaks of it and of those that draw for it (what they share counts each time); files are warm, as they are just written.
Loading is `load_trials`, which leaves the epochs for later; then all of them are read.

Usage: python benchmarks/analysis_cost.py [--trials 250 1000 4000 10000] [--epochs 300]
"""

import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tyro
from kept import keep
from rich.progress import track

from codim.division.divide import LOSS_BINS
from codim.metrics import EpochMetrics, OracleMetrics
from study.results.folder import ResultsFolder, write_json
from study.results.records import TrialRecord
from study.results.tables import EPOCH_SCHEMA

RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
CLASSES, IMAGES, SAMPLES = 10, 5000, 1_000_000
SPACE = {
    "contrastive/temperature": {"type": "float", "low": 0.05, "high": 1, "log": True},
    "contrastive/weight": {"type": "float", "low": 0.001, "high": 1, "log": True},
    "mixmatch/lambda_u": {"type": "float", "low": 1, "high": 100, "log": True},
    "divide/p_threshold": {"type": "float", "low": 0.02, "high": 0.9},
}
MEASURED = """
import json, os, sys, time
from contextlib import suppress
from pathlib import Path
from analysis.frames.load import load_trials
from analysis.page.report import write_report
started = time.perf_counter()
trials = load_trials(sys.argv[1])
opened = time.perf_counter() - started
rows = len(trials.epochs)
read = time.perf_counter() - started
if sys.argv[2] == "page":
    page = write_report(trials)
    written = time.perf_counter() - started
    size = page.stat().st_size
else:
    written = size = float("nan")
def peak(pid):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["PPid"]), int(status.get("VmHWM", "0 kB").split()[0]) / 2**20
others = []
for path in Path("/proc").iterdir():
    with suppress(OSError):  # a process that has just ended
        others += [peak(path.name)] if path.name.isdigit() else []
gib = peak("self")[1] + sum(own for parent, own in others if parent == os.getpid())
print(json.dumps({"rows": rows, "open": opened, "read": read, "page": written, "megabytes": size / 1e6, "gib": gib}))
"""


@dataclass(frozen=True)
class Arguments:
    """Time and memory of the analysis as a study grows."""

    trials: tuple[int, ...] = (250, 1000, 4000, 10_000)
    epochs: int = 300
    pages: int = 1000
    """Largest study whose page is written too."""


def make(root: Path, trials: int, epochs: int) -> None:
    rng = np.random.default_rng(0)
    folder = ResultsFolder(root)
    folder.epochs.mkdir(parents=True)
    conditions = [{"id": f"symmetric-{rate}", "kind": "symmetric", "rate": rate} for rate in RATES]
    budget = {"samples": SAMPLES, "trials_per_condition": trials // len(RATES)}
    spec = {"name": "made-up", "conditions": conditions, "space": SPACE, "baselines": {}, "budget": budget, "fixed": {}}
    write_json(folder.spec, spec)
    write_json(folder.environment, {"validation_images": IMAGES, "classes": CLASSES})
    start, records = datetime(2026, 1, 1, tzinfo=UTC), []
    for i in track(range(trials), f"Making {trials} trials"):
        rate, pruned = RATES[i % len(RATES)], i % 3 == 0
        u = rng.random(len(SPACE))
        worth = 0.95 - 0.2 * (u[0] - rate) ** 2 - 0.05 * u[3] + rng.normal(0, 0.005)
        record = TrialRecord(
            trial=f"symmetric-{rate}-{i // len(RATES):04d}",
            condition=f"symmetric-{rate}",
            noise_kind="symmetric",
            noise_rate=rate,
            status="pruned" if pruned else "complete",
            cause="below its rivals" if pruned else "",
            baseline="",
            params={path: _value(entry, x) for (path, entry), x in zip(SPACE.items(), u, strict=True)},
            config={},
            seed=i,
            budget=SAMPLES,
            samples=SAMPLES // 3 if pruned else SAMPLES,
            epochs=epochs // 3 if pruned else epochs,
            seconds=600.0,
            objective=worth * (1 - rate) + (1 - worth) * rate / (CLASSES - 1),
            started=start + timedelta(minutes=10 * (i // 8)),
            ended=start + timedelta(minutes=10 * (i // 8) + 10),
            split_states={"ok": epochs},
            oracle_noise_rate=rate,
            oracle_transition=[[1 - rate if j == k else rate / 9 for j in range(10)] for k in range(10)],
            oracle_test_acc=worth,
            oracle_test_acc_best=worth,
        )
        records.append(record)
        pq.write_table(_rows(record, rng), folder.epochs / f"{record.trial}.parquet")
    folder.write_trials(records)


def _value(entry: dict[str, Any], u: float) -> float:
    low, high = float(entry["low"]), float(entry["high"])
    return low * (high / low) ** u if entry.get("log") else low + u * (high - low)


def _rows(record: TrialRecord, rng: np.random.Generator) -> pa.Table:
    n = record.epochs
    rise = 1 - np.exp(-np.arange(1, n + 1) / 30)
    columns: dict[str, Any] = {f.name: np.minimum(rise * rng.normal(1, 0.01, n), 1) for f in fields(EpochMetrics)}
    test = rise * record.oracle_test_acc
    columns |= {f.name: np.minimum(test * rng.normal(1, 0.002, n), 1) for f in fields(OracleMetrics)}
    columns |= {
        "trial": [record.trial] * n,
        "condition": [record.condition] * n,
        "epoch": np.arange(n),
        "samples": np.linspace(0, record.samples, n).astype(int),
        "phase": ["warmup" if i < n // 10 else "cotrain" for i in range(n)],
        "val_acc": np.minimum(rise * record.objective * rng.normal(1, 0.004, n), 1),
        "split_state": ["none" if i < n // 10 else "ok" for i in range(n)],
        "classes_without_labelled": np.zeros(n, dtype=int),
        "loss_histogram": list(rng.integers(0, 10_000, (n, LOSS_BINS))),
        "oracle_loss_histogram": list(rng.integers(0, 5_000, (n, LOSS_BINS))),
    }
    return pa.table(columns, schema=EPOCH_SCHEMA)


def measure(root: Path, page: bool) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURED, str(root), "page" if page else "read"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Arguments) -> None:
    lines = [
        "| trials | epoch rows | load (s) | all epochs (s) | page (s) | page (MB) | peak memory (GiB) |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    rows = []
    for trials in arguments.trials:
        with TemporaryDirectory() as scratch:
            root = Path(scratch, "study")
            make(root, trials, arguments.epochs)
            found = measure(root, trials <= arguments.pages)
        rows.append({"trials": trials} | found)
        numbers = [
            f"{found['open']:.2f}",
            f"{found['read']:.2f}",
            *("–" if math.isnan(found[k]) else f"{found[k]:.1f}" for k in ("page", "megabytes")),
        ]
        lines.append(f"| {trials:,} | {int(found['rows']):,} | {' | '.join(numbers)} | {found['gib']:.2f} |")
        print(lines[-1], flush=True)
    keep("analysis_cost", "\n".join(lines), {"arguments": asdict(arguments), "rows": rows})


if __name__ == "__main__":
    main(tyro.cli(Arguments))
