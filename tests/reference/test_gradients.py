"""Gradients of every network, at every width where oneDNN's kernels differ, against torch's own kernels."""

import os
import subprocess
import sys

import pytest
import torch

from codim.config.network import ENCODER_FACTS
from codim.models.encoders import ENCODERS
from tests.support import ROOT
from tests.support.gradients import PIXELS

CPUS = {"AVX2": ("AVX2", "AVX512"), "AVX512_CORE": ("AVX512",)}
"""What ONEDNN_MAX_CPU_ISA may allow, and the kinds of CPU, as torch names them, that can show it."""
NETWORKS = [f"{name}:{width}" for name, facts in ENCODER_FACTS.items() if facts.width for width in range(1, 17)]
FIXED = [f"{name}:" for name, facts in ENCODER_FACTS.items() if not facts.width]

TOLERANCE = 3e-3
"""Rounding makes up to 1e-3 in Inception-ResNet-v2, whose pooling takes one of several almost equal values, and 1e-5 in
the others; the fault of oneDNN made 1.5e-2 to 1."""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("isa", CPUS)
def test_gradients_are_those_without_onednn(isa: str, threads: int) -> None:
    """Where they once were not, one thread crashed, and two had a wrong gradient or no end."""
    if torch.backends.cpu.get_cpu_capability() not in CPUS[isa]:
        pytest.skip(f"this CPU does not show what oneDNN does with {isa}")
    networks = NETWORKS + (FIXED if threads == 1 else [])
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.gradients", str(threads), *networks],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"after {done.stdout.count(chr(10))} of {networks}: {done.stderr}"
    errors = dict(zip(networks, map(float, done.stdout.split()), strict=True))
    assert {name: error for name, error in errors.items() if error > TOLERANCE} == {}


def test_every_network_has_its_pixels() -> None:
    assert list(PIXELS) == list(ENCODERS)
