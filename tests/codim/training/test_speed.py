"""Precision, compilation, and a step that never halts the device."""

import logging
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.batches import endless_batches
from codim.data.load import TrainingData
from codim.models import network as networks
from codim.runtime.device import precision_on, set_up, slow_precision
from codim.training.cssl import Batch, cssl_losses
from codim.training.optim import step
from codim.training.state import TrainState
from tests.support.runs import train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]

HALTING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "equal")
"""Operations whose result the host must wait for; so does indexing by a mask."""


class NoHalt(TorchDispatchMode):
    """Raises where an operation would halt a GPU: a stand-in for torch.cuda.set_sync_debug_mode on a CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name.startswith("index") and any(t.dtype == torch.bool for t in args[1] if t is not None)
        if masks or name.startswith(HALTING):
            raise AssertionError(f"{name} halts the device")
        return func(*args, **(kwargs or {}))


def one_step(config: TrainConfig, data: TrainingData, device: str) -> Callable[[], None]:
    """A co-training step of network A, its batches drawn too."""
    state = TrainState.create(config, data)
    augmenter = Augmenter.fit(config.augment, data.images)
    x, u = data.train_index.chunk(2)
    batches = [endless_batches(index, 16, state.generator) for index in (x, u)]
    clean_probability = torch.full((len(data.images),), 0.7, device=device)

    def run() -> None:
        ix, iu = map(next, batches)
        batch = Batch(data.images[ix], data.labels[ix], clean_probability[ix], data.images[iu])
        mix, contrast = config.mixmatch, config.contrastive
        losses = cssl_losses(*state.networks, batch, mix, contrast, 25.0, augmenter, state.generator)
        step(state.optimizers[0], losses.total, 0.01)

    return run


SETTINGS = {"augment": {"strong_rotation": 10, "strong_noise": 0.1, "crop_padding": 1}}


@pytest.mark.parametrize("kind", ["self", "sup", "both"])
def test_no_operation_of_a_step_halts_the_device(tiny: Tiny, kind: str) -> None:
    config, data = tiny(SETTINGS | {"method": None, "contrastive": {"kind": kind}})
    coloured = TrainingData(data.images.expand(-1, 3, -1, -1), *(getattr(data, f.name) for f in fields(data)[1:]))
    run = one_step(config, coloured, "cpu")
    run()
    with NoHalt():
        run()
    with NoHalt(), pytest.raises(AssertionError, match="halts"):
        torch.ones(1).item()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_step_on_a_gpu_never_waits(tiny: Tiny) -> None:
    config, data = tiny(SETTINGS | {"train": {"device": "cuda"}})
    placed = TrainingData(*(v.cuda() if isinstance(v, torch.Tensor) else v for v in vars(data).values()))
    run = one_step(config, placed, "cuda")
    run()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_bf16_stays_near_fp32(tiny: Tiny) -> None:
    """Outputs and losses are float32; weights and optimiser too; the losses of the first epochs differ by rounding."""
    rows, _ = train(*tiny())
    config, data = tiny({"network": {"precision": "bf16"}})
    rounded, state = train(config, data)
    for net in state.networks:
        assert {value.dtype for value in net.state_dict().values()} == {torch.float32, torch.int64}
        x = torch.rand(4, *data.images.shape[1:])
        assert net(x).dtype == net.project(x).dtype == torch.float32
        assert not torch.equal(net(x), net.classifier(net.encoder(x))), "the products are rounded"
    for a, b in zip(rows[:2], rounded[:2], strict=True):
        assert a.loss != b.loss
        assert a.loss == pytest.approx(b.loss, rel=0.02)


def test_a_compiled_encoder_gives_the_same_training(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Inductor's cache does not tell instruction sets apart: kernels made for AVX-512 give NaN where AVX2 is asked for.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    rows, state = train(*tiny({"train": {"samples": 1200}}))
    config, data = tiny({"train": {"samples": 1200}, "network": {"compile": "default"}})
    found, compiled = train(config, data)
    assert [row.loss for row in found] == pytest.approx([row.loss for row in rows], rel=1e-3)
    assert compiled.networks[0].state_dict().keys() == state.networks[0].state_dict().keys()


def test_where_nothing_can_be_compiled(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no compiler\nand much more")

    config, data = tiny({"network": {"compile": "default"}})
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(torch, "compile", broken)
        networks._why_not.cache_clear()
        state = TrainState.create(config, data)
    networks._why_not.cache_clear()
    assert caplog.messages[-1] == (
        "network/compile: default is not available here, training continues without it: RuntimeError: no compiler"
    )
    assert state.networks[0].encoder._compiled_call_impl is None


@pytest.mark.parametrize(("precision", "rounded"), [("fp32", False), ("tf32", True), ("bf16", True)])
def test_tensor_float_32_is_taken_where_it_is_allowed(precision: str, rounded: bool) -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    flags = [(part, part.fp32_precision) for part in (matmul, cudnn.conv, cudnn.rnn)]  # type: ignore[attr-defined]
    benchmark = cudnn.benchmark
    try:
        set_up(torch.device("cuda"), precision)
        assert [part.fp32_precision for part, _ in flags] == ["tf32" if rounded else "ieee"] * 3
    finally:
        cudnn.benchmark = benchmark
        for part, before in flags:
            part.fp32_precision = before


@pytest.mark.parametrize(
    ("device", "precision", "has", "warned"),
    [
        ("cpu", "bf16", {"avx2": True, "avx512_f": True, "avx512_bf16": False}, True),
        ("cpu", "bf16", {"avx512_bf16": True}, False),
        ("cpu", "bf16", {"neon": True, "bf16": True}, False),
        ("cpu", "bf16", {}, True),
        ("cpu", "fp32", {"avx2": True}, False),
        ("cuda", "bf16", {"avx2": True}, False),
    ],
)
def test_bfloat16_is_warned_of_where_a_cpu_has_no_instructions_for_it(
    device: str, precision: str, has: dict[str, bool], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    found = slow_precision(torch.device(device), precision)
    assert bool(found) == warned
    assert not warned or "set network/precision: fp32" in found


@pytest.mark.parametrize(
    ("device", "precision", "has", "used"),
    [
        ("cpu", "auto", {"avx512_bf16": True}, "bf16"),
        ("cpu", "auto", {"amx_bf16": True}, "bf16"),
        ("cpu", "auto", {"avx_ne_convert": True, "avx512_bf16": False}, "fp32"),
        ("cuda", "auto", {"avx512_bf16": True}, "fp32"),
        ("cpu", "fp32", {"avx512_bf16": True}, "fp32"),
    ],
)
def test_auto_takes_bfloat16_where_the_cpu_multiplies_it(
    device: str, precision: str, has: dict[str, bool], used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert precision_on(torch.device(device), precision) == used


LARGE_TENSORS = """
from pathlib import Path
from resource import RUSAGE_SELF, getpagesize, getrusage
import torch
from torch import nn
from codim.runtime.device import give_back_memory, set_up
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()
if {set_up}:
    set_up(torch.device("cpu"), "fp32")
net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
x = torch.randn(64, 3, 96, 96)
faults = []
for _ in range(6):
    net(x).sum().backward()
    faults.append(getrusage(RUSAGE_SELF).ru_minflt)
held = resident()
give_back_memory()
activation = 64 * 16 * 96 * 96 * 4
print((faults[5] - faults[3]) / 2 * getpagesize() / activation, (held - resident()) / activation)
"""
"""Prints in activations, of 36 MiB: how much fresh memory a late step takes, and how much is given back."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
@pytest.mark.parametrize("is_set_up", [True, False])
def test_a_step_on_a_cpu_takes_the_memory_of_the_last_one(is_set_up: bool) -> None:
    """In a process of its own, since the setting holds for one."""
    command = [sys.executable, "-c", LARGE_TENSORS.format(set_up=is_set_up)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fresh, given_back = map(float, done.stdout.split())
    assert fresh <= 1 if is_set_up else fresh >= 4
    assert given_back >= 4 if is_set_up else given_back <= 1
