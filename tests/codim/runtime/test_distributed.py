"""Two workers with half a batch each are one worker with the whole batch; they never disagree; none waits in vain.

Real processes under gloo on the loopback interface; each case is one start of both.
"""

import math
import socket
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
from torch import Tensor, nn

from codim.config.train_config import TrainConfig, train_config
from codim.data.load import TrainingData, load_data
from codim.evaluation.predict import predict
from codim.losses.contrastive import nt_xent, sup_con, trusted_pairs
from codim.losses.mixmatch import class_balance_penalty
from codim.runtime import distributed as parallel
from codim.training.loop import run_epochs
from codim.training.state import TrainState

WORKERS = 2
SETTINGS: dict[str, Any] = {
    "data": {"val_fraction": 0.2, "subset": 203},
    "noise": {"kind": "symmetric", "rate": 0.4},
    "network": {"width": 4, "projection_dim": 8},
    "augment": {"crop_padding": 1, "flip": True, "strong_scale_min": 0.5, "strong_rotation": 10, "strong_noise": 0.02},
    "pretrain": {"epochs": 1, "batch_size": 64, "lr": 0.01},
    "warmup": {"epochs": 2, "confidence_penalty": 0.1},
    "divide": {"p_threshold": 0.5, "loss_history": 2},
    "mixmatch": {"rampup_epochs": 1, "lambda_u": 5},
    "contrastive": {"kind": "both", "weight": 0.3, "confidence": 0.3},
    "optim": {"lr": 0.005},
    "train": {"samples": 1_000, "batch_size": 32, "epoch": "dataset", "device": "cpu"},
}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def start(rank: int, port: int, job: Callable[[Path], None], folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=WORKERS)
    try:
        job(folder)
    finally:
        torch.distributed.destroy_process_group()


def together(job: Callable[[Path], None], folder: Path) -> list[Any]:
    """Run `job` in both workers; each leaves its result in <folder>/<rank>.pt."""
    mp.spawn(start, (free_port(), job, folder), nprocs=WORKERS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORKERS)]


def leave(folder: Path, result: Any) -> None:
    torch.save(result, folder / f"{parallel.rank()}.pt")


def training(**over: Any) -> tuple[TrainConfig, TrainingData]:
    config = train_config(SETTINGS | over)
    return config, load_data(config.data, config.noise)[0]


def trained(config: TrainConfig, data: TrainingData) -> dict[str, Any]:
    state = TrainState.create(config, data)
    rows = [asdict(replace(row, seconds=0.0)) for row in run_epochs(config, data, state)]
    weights = [value for net in state.networks for value in net.state_dict().values()]
    assert state.evaluation is not None
    losses = state.evaluation.losses
    return {"rows": rows, "weights": weights, "divisions": [asdict(d) for d in state.divisions], "losses": losses}


def whole_training(folder: Path) -> None:
    leave(folder, trained(*training()))


def test_two_workers_are_one_with_the_whole_batch(tmp_path: Path) -> None:
    """Pre-training, warm-up, two co-divides and both contrastive terms, with batch norm over all."""
    a, b = together(whole_training, tmp_path)
    alone = trained(*training())
    assert [row["phase"] for row in alone["rows"]].count("cotrain") >= 2
    for own in (a, b):
        assert len(own["rows"]) == len(alone["rows"])
        for row, expected in zip(own["rows"], alone["rows"], strict=True):
            for name, value in expected.items():
                wanted = pytest.approx(value, rel=1e-4, abs=1e-5, nan_ok=True) if isinstance(value, float) else value
                assert row[name] == wanted, (row["epoch"], name)
        for found, expected in zip(own["weights"], alone["weights"], strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        for found, expected in zip(own["divisions"], alone["divisions"], strict=True):
            assert torch.equal(found["labelled"], expected["labelled"])
    assert repr(a["rows"]) == repr(b["rows"])
    for found, other in zip(a["weights"], b["weights"], strict=True):
        assert torch.equal(found, other), "the workers drifted apart"
    for found, other in zip(a["divisions"], b["divisions"], strict=True):
        assert all(torch.equal(found[k], other[k]) for k in ("index", "clean_probability", "labelled"))


def odd_training(folder: Path) -> None:
    """One unlabelled sample, so that every batch of U repeats it; each worker's own batch norm; images drawn anew."""
    config, data = training(
        divide={"p_threshold": 0.0, "loss_history": 1},
        train=SETTINGS["train"] | {"sync_batch_norm": False, "epoch_images": 101},
    )
    leave(folder, trained(config, data))


def test_nobody_waits_for_a_set_that_is_nearly_empty(tmp_path: Path) -> None:
    a, b = together(odd_training, tmp_path)
    assert repr(a["rows"]) == repr(b["rows"])
    assert all(math.isfinite(row["loss"]) for row in a["rows"])
    assert {row["split_state"] for row in a["rows"] if row["phase"] == "cotrain"} <= {
        "clipped",
        "unimodal",
        "degenerate",
    }
    labelled = a["divisions"][0]["labelled"]
    assert len(labelled) == 101
    assert (~labelled).sum() >= 1
    for found, other in zip(a["weights"], b["weights"], strict=True):
        assert torch.equal(found, other)


def pieces(folder: Path) -> None:
    """Losses of global rows and what their gradients are, averaged over the workers."""
    found: dict[str, Tensor] = {}
    for name, loss in LOSSES.items():
        weight = start_weight().requires_grad_()
        loss(*(parallel.shard(x) for x in rows()), weight).backward()
        parallel.average_gradients([weight])
        assert weight.grad is not None
        found[name] = weight.grad
    x = torch.arange(12.0).view(6, 2)
    found["rows"] = parallel.gather(parallel.shard(x))
    norm = parallel.synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(3)))
    y = parallel.shard(pictures()).requires_grad_()
    parallel.gather(norm(y)).square().mul(pictures()).mean().backward()
    found |= {"norm": norm(y).detach(), "norm gradient": y.grad}
    norm[0].momentum = None
    norm(y)
    found["running"] = norm[0].running_var.clone()
    found["many logits"] = predict([norm], (pictures() * 20 + 100).to(torch.uint8)[:7], Plain())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="train/batch_size: 33 cannot be divided evenly among 2 workers"):
        parallel.require_even("train/batch_size", 33)
    leave(folder, found)


class Plain:
    def plain(self, images: Tensor) -> Tensor:
        return images.float()


def start_weight() -> nn.Parameter:
    return nn.Parameter(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)))


def rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 5, generator=generator), torch.randn(6, 5, generator=generator)


def pictures() -> Tensor:
    return torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(2))


def contrast_self(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    z1, z2 = (nn.functional.normalize(v @ weight, dim=1) for v in (x, y))
    return nt_xent(parallel.gather(z1), parallel.gather(z2), 0.3)


def contrast_sup(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    z1, z2 = (nn.functional.normalize(v @ weight, dim=1) for v in (x, y))
    targets = parallel.gather(x.softmax(1))
    pairs = trusted_pairs(targets, targets.amax(1) > 0.3)
    return sup_con(parallel.gather(z1), parallel.gather(z2), pairs, 0.3)


def balance(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    return class_balance_penalty(x @ weight)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "self": contrast_self,
    "sup": contrast_sup,
    "balance": balance,
}


def test_gradients_of_global_losses_are_those_of_one_process(tmp_path: Path) -> None:
    a, b = together(pieces, tmp_path)
    for name, loss in LOSSES.items():
        weight = start_weight()
        loss(*rows(), weight).backward()
        for found in (a, b):
            torch.testing.assert_close(found[name], weight.grad, atol=1e-6, rtol=1e-5)
    assert torch.equal(a["rows"], torch.arange(12.0).view(6, 2))
    norm = nn.Sequential(nn.BatchNorm2d(3))
    y = pictures().requires_grad_()
    norm(y).square().mul(pictures()).mean().backward()
    expected = norm(y).detach()
    norm[0].momentum = None
    norm(y)
    assert y.grad is not None
    for rank, found in enumerate((a, b)):
        torch.testing.assert_close(found["norm"], expected[rank::2])
        torch.testing.assert_close(found["running"], norm[0].running_var)
        torch.testing.assert_close(found["norm gradient"] / WORKERS, y.grad[rank::2], atol=1e-6, rtol=1e-4)
    images = (pictures() * 20 + 100).to(torch.uint8)[:7]
    norm.eval()
    for found in (a, b):
        torch.testing.assert_close(found["many logits"], norm(images.float())[None], atol=1e-4, rtol=1e-4)
