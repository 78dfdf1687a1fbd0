"""Trainings of encoders that others trained: both peers begin with their weights, which a lower rate keeps longer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor
from torchvision.models import get_model

import codim
from codim.config.auto import Counts, resolved
from codim.config.train_config import TrainConfig, train_config
from codim.data.load import load_data
from codim.models.network import Network, seeded_network
from codim.training.checkpoint import load_trained
from codim.training.optim import sgd, step
from codim.training.session import Session
from codim.training.state import TrainState
from tests.support.pictures import save_plain
from tests.support.runs import same_weights

SIDE = 32


def weights_of(name: str, folder: Path) -> Path:
    torch.manual_seed(0)
    library, model = name.split(":")
    net: Any = timm.create_model(model) if library == "timm" else get_model(model, weights=None)
    path = folder / "w.pth"
    torch.save(net.state_dict(), path)
    return path


def config_of(name: str, folder: Path, **over: Any) -> TrainConfig:
    for i in range(40):
        save_plain(folder / "photos" / f"class{i % 2}" / f"{i}.png", 3 * i + 100 * (i % 2), SIDE, SIDE)
    settings = {
        "method": "codim-sup",
        "data": {"name": "folder", "root": str(folder / "photos"), "cache": str(folder / "cache")},
        "network": {"name": name, "weights": str(weights_of(name, folder)), "input_size": SIDE},
        "warmup": {"epochs": 1},
        "mixmatch": {"rampup_epochs": 1},
        "train": {"samples": 200, "batch_size": 8, "device": "cpu"},
    }
    return train_config(resolved(settings | over, Counts(40, 32, SIDE, gpu=False)))


def encoder(net: Network) -> list[Tensor]:
    return [own.detach().clone() for own in net.encoder.parameters()]


@pytest.mark.parametrize("name", ["timm:test_vit", "torchvision:squeezenet1_1"])
def test_both_peers_begin_with_the_weights_and_resume_to_the_bit(name: str, tmp_path: Path) -> None:
    """A model with dropout resumes so only without it: torch's global generator is no part of a checkpoint."""
    config = config_of(name, tmp_path)
    assert config.encoder_lr_factor < 1
    data, _ = load_data(config.data, config.noise)
    a, b = TrainState.create(config, data).networks
    assert all(map(torch.equal, encoder(a), encoder(b)))
    assert not torch.equal(a.classifier.weight, b.classifier.weight)
    whole, part = Session(config, data), Session(config, data)
    whole.start()
    rows = list(whole.epochs())
    part.start()
    epochs = part.epochs()
    next(epochs)
    part.save(tmp_path / "checkpoint.pt")
    again = Session(config, data)
    assert again.resume(tmp_path / "checkpoint.pt")
    assert len(list(again.epochs())) == len(rows) - 1
    assert same_weights(whole.state, again.state)
    whole.save(tmp_path / "checkpoint.pt")
    assert config.network.weights is not None
    config.network.weights.unlink()  # a checkpoint has weights of its own
    trained = load_trained(tmp_path / "checkpoint.pt", torch.device("cpu"))
    images = data.images[:4]
    with torch.no_grad():
        found = [net.eval()(trained.augmenter.plain(images)) for net in trained.networks]
    torch.testing.assert_close(torch.stack(found), whole.predict(torch.arange(4)), rtol=1e-4, atol=1e-4)
    codim.export(tmp_path / "checkpoint.pt", tmp_path / "model.pt2")


def test_the_encoder_steps_by_its_share_of_the_rate() -> None:
    moves = {}
    for factor in (1.0, 0.25):
        config = train_config({"network": {"name": "small_cnn", "width": 4}}).network
        net = seeded_network(config, 3, 5, 0)
        before = encoder(net), net.classifier.weight.detach().clone()
        optimizer = sgd(net, 0.1, 0.0, 0.0, factor)
        step(optimizer, net(torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))).square().mean(), 0.1)
        moved = [new - old for new, old in zip(encoder(net), before[0], strict=True)]
        moves[factor] = torch.cat([own.flatten() for own in moved]), net.classifier.weight.detach() - before[1]
    torch.testing.assert_close(moves[0.25][0], moves[1.0][0] / 4, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(moves[0.25][1], moves[1.0][1])


def test_a_program_trains_an_encoder_on_its_arrays(tmp_path: Path) -> None:
    images = np.repeat(np.arange(0, 240, 6, dtype=np.uint8), SIDE * SIDE * 3).reshape(40, SIDE, SIDE, 3)
    network = {"name": "timm:test_vit", "weights": str(weights_of("timm:test_vit", tmp_path)), "input_size": SIDE}
    settings = {"network": network, "train": {"samples": 160, "batch_size": 8, "device": "cpu"}}
    trained = codim.train(images, np.arange(40) // 20, method="ce", settings=settings)
    assert trained.predict(images[:2]).shape == (2,)
