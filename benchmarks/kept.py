"""Shared by all benchmarks: a line about the machine, results that stay (one file a day), runs that resume, bars."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import torch
from rich.progress import track

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Run = TypeVar("Run", bound="DataclassInstance")

RESULTS = Path(os.environ.get("BENCHMARK_RESULTS", Path(__file__).parent / "results"))
"""The variable is for trials that are not to be kept."""


class Bar(NamedTuple):
    """A figure that a benchmark has to reach."""

    name: str
    figure: str
    """Measured, with its interval."""
    needs: str
    held: bool


def machine(device: torch.device | str = "cpu") -> str:
    """Processor, its cores or the GPU, and the versions that matter for speed."""
    where = f"{os.cpu_count()} cores {_processor()}"
    if torch.device(device).type == "cuda":
        where = torch.cuda.get_device_name(device)
    versions = f"torch {torch.__version__}, torchvision {version('torchvision')}, Python {platform.python_version()}"
    return f"{where}, {torch.get_num_threads()} threads, {versions}"


def keep(name: str, text: str, content: dict[str, Any], device: torch.device | str = "cpu") -> None:
    """Print `text` and the machine, and write them to results/DATE-name.md; the numbers, `content`, to .json beside, in
    which files go by their names alone."""
    text = f"{text.rstrip()}\n\n{machine(device)}\n"
    print(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    target = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{name}"
    target.with_suffix(".md").write_text(text)
    numbers = {"machine": machine(device)} | _without_folders(content)
    target.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n")


def finished(
    path: Path, runs: Sequence[Run], work: Callable[[Run], dict[str, Any]], workers: int, what: str
) -> list[dict[str, Any]]:
    """Return a row of each run: its fields, and what `work` measured. A row is a line of the JSON Lines file `path`;
    only the runs that it lacks are worked on, in processes, so that the same call resumes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool, path.open("a") as file:
        futures = {pool.submit(work, run): run for run in missing(path, runs)}
        for future in track(as_completed(futures), description=what, total=len(futures)):
            file.write(json.dumps(asdict(futures[future]) | future.result()) + "\n")
            file.flush()
    rows = _rows(path, runs)
    return [rows[_key(run)] for run in runs]


def missing(path: Path, runs: Sequence[Run]) -> list[Run]:
    """Return the runs of which `path` has no line."""
    known = _rows(path, runs)
    return [run for run in runs if _key(run) not in known]


def judge(bars: Iterable[Bar]) -> NoReturn:
    """Print a line a bar, and exit, with status 1 where one is missed."""
    missed = False
    for bar in bars:
        print(f"bar {bar.name}: {bar.figure}, needs {bar.needs}: {'held' if bar.held else 'missed'}")
        missed |= not bar.held
    raise SystemExit(missed)


def _without_folders(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_folders(own) for name, own in content.items()}
    if isinstance(content, list | tuple):
        return [_without_folders(own) for own in content]
    return Path(content).name if isinstance(content, str) and content.startswith("/") else content


def _rows(path: Path, runs: Sequence["DataclassInstance"]) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {tuple(row.get(name) for name in asdict(runs[0])): row for row in rows}


def _key(run: "DataclassInstance") -> tuple[Any, ...]:
    return tuple(asdict(run).values())


def _processor() -> str:
    """As /proc/cpuinfo names it, where there is one."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
