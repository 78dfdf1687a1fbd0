"""How long a person waits before anything happens: imports, help texts, a study's plan and forecast, the first step.

    python benchmarks/start_up.py

Every figure is of a fresh process: the median over some rounds, each of which runs every command once, so that a busy
machine slows all of them alike. Where others use the machine, CPU time says more than wall time.
"""

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import pandas as pd
import torch
import tyro
from kept import keep
from rich.progress import track
from torch.optim.optimizer import register_optimizer_step_post_hook

from codim.config.train_config import train_config
from codim.data.load import load_data
from codim.training.loop import run_epochs
from codim.training.state import TrainState

ROOT = Path(__file__).parents[1]
DRY_RUN = ["study/run.py", "--space", "search_spaces/digits.yaml", "--dry-run"]
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "import codim.training.loop, codim.config.train_config": [
        "-c",
        "import codim.training.loop, codim.config.train_config",
    ],
    "python -m codim --help": ["-m", "codim", "--help"],
    "python -m codim predict --help": ["-m", "codim", "predict", "--help"],
    "python -m codim audit --help": ["-m", "codim", "audit", "--help"],
    "python -m codim export --help": ["-m", "codim", "export", "--help"],
    "python study/run.py --help": ["study/run.py", "--help"],
    "python -m analysis --help": ["-m", "analysis", "--help"],
    "python -m study.check search_spaces/digits.yaml": ["-m", "study.check", "search_spaces/digits.yaml"],
    f"python {' '.join(DRY_RUN)}": DRY_RUN,
}
FIRST_ANSWER = "the same, to its first answer: the plan"
LATER_STEPS = 50


def run(arguments: list[str]) -> tuple[float, float]:
    """Seconds of a fresh Python: wall, CPU."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - started, cpu


def first_answer(arguments: list[str]) -> tuple[float, float]:
    """Seconds of a fresh Python until it has written something: wall, CPU."""
    started = time.perf_counter()
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=env, stderr=subprocess.PIPE) as process:
        assert process.stderr
        process.stderr.readline()
        wall = time.perf_counter() - started
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        process.kill()
    return wall, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def training_steps() -> tuple[float, float, float]:
    """Seconds: networks and optimisers made, first step of co-training, median of later steps; for a fresh process.

    With the digits network, on one thread; from given labels, so that co-training begins at once.
    """
    torch.set_num_threads(1)
    settings = {"method": "cssl", "divide": {"labels_per_class": 90}, "pretrain": {"epochs": 0}}
    config = train_config(settings | {"train": {"device": "cpu"}})
    data, _ = load_data(config.data, config.noise)
    started = time.perf_counter()
    state = TrainState.create(config, data)
    ends = [time.perf_counter()]

    class Enough(Exception):
        pass

    def ended(*_: object) -> None:
        ends.append(time.perf_counter())
        if len(ends) > LATER_STEPS + 1:
            raise Enough

    register_optimizer_step_post_hook(ended)
    with suppress(Enough):
        list(run_epochs(config, data, state))
    steps = pd.Series(ends).diff()
    return ends[0] - started, steps[1], steps[2:].median()


def main(rounds: int = 5) -> None:
    """Measure, print and keep.

    Args:
        rounds: after one that fills the caches and does not count.
    """
    rows = []
    fresh = multiprocessing.get_context("spawn")
    for number in track(range(rounds + 1), "rounds"):
        found = {name: run(arguments) for name, arguments in COMMANDS.items()}
        found[FIRST_ANSWER] = first_answer(DRY_RUN)
        with ProcessPoolExecutor(1, fresh) as pool:
            steps = pool.submit(training_steps).result()
        if number:
            rows.append({**{(name, i): x for name, pair in found.items() for i, x in enumerate(pair)}, "steps": steps})
    wall, cpu = ({name: pd.Series([row[name, i] for row in rows]).median() for name in found} for i in range(2))
    table = pd.DataFrame({"wall, s": wall, "CPU, s": cpu})
    for column in ("wall", "CPU"):
        table[f"{column} / import torch"] = table[f"{column}, s"] / table[f"{column}, s"]["import torch"]
    made, first, later = pd.DataFrame([row["steps"] for row in rows]).median()
    text = (
        f"{table.to_markdown(floatfmt='.2f')}\n\n"
        f"Medians of {rounds} fresh processes each. Of a training with the digits network, on one thread: networks and "
        f"optimisers made in {made:.2f} s (the first optimiser imports torch._dynamo), first step of co-training "
        f"{1000 * first:.0f} ms, a later one {1000 * later:.1f} ms: {first / later:.1f} times as long."
    )
    content = table.to_dict("index") | {"training": {"made": made, "first step": first, "later step": later}}
    keep("start_up", text, content)


if __name__ == "__main__":
    tyro.cli(main)
