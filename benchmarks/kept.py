"""What all benchmarks share: a line about the machine, and results that stay, one file a day."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(os.environ.get("BENCHMARK_RESULTS", Path(__file__).parent / "results"))
"""The variable is for trials that are not to be kept."""


def machine(device: torch.device | str = "cpu") -> str:
    """Processor, its cores or the GPU, and the versions that matter for speed."""
    where = f"{os.cpu_count()} cores {_processor()}"
    if torch.device(device).type == "cuda":
        where = torch.cuda.get_device_name(device)
    versions = f"torch {torch.__version__}, torchvision {version('torchvision')}, Python {platform.python_version()}"
    return f"{where}, {torch.get_num_threads()} threads, {versions}"


def keep(name: str, text: str, content: dict[str, Any], device: torch.device | str = "cpu") -> None:
    """Print `text` and the machine, and write them to results/DATE-name.md; the numbers, `content`, to .json beside."""
    text = f"{text.rstrip()}\n\n{machine(device)}\n"
    print(text)
    target = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{name}"
    target.with_suffix(".md").write_text(text)
    target.with_suffix(".json").write_text(json.dumps({"machine": machine(device)} | content, indent=1) + "\n")


def _processor() -> str:
    """As /proc/cpuinfo names it, where there is one."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
