"""What every network must do; settings and their faults; seeds."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from codim.config.auto import UNCOUNTED, resolved
from codim.config.network import ENCODER_FACTS, NetworkConfig
from codim.config.train_config import train_config
from codim.models.encoders import ENCODERS
from codim.models.network import Network, kept_running_statistics, seeded_network
from codim.training.optim import sgd, step

LIBRARIES = ["torchvision:resnet18", "torchvision:squeezenet1_1", "timm:mobilenetv3_small_050", "timm:test_vit"]
NARROW: dict[str, dict[str, Any]] = {
    "small_cnn": {"width": 4},
    "airbench": {"width": 4},
    "preact_resnet18": {"width": 4},
    "mlp": {"width": 4},
    **{key: {"input_size": 32} for key in LIBRARIES},
}
VECTORS = [name for name, facts in ENCODER_FACTS.items() if facts.vectors]
NAMES = [*ENCODERS, *LIBRARIES]
SMALL = {"small_cnn": 8, "airbench": 9, "preact_resnet18": 8} | dict.fromkeys(LIBRARIES, 32)
"""Pixels, for a quick test."""
CLASSES = 7


def make(name: str, channels: int = 3, seed: int = 0, **settings: Any) -> Network:
    config = NetworkConfig(name=name, projection_dim=6, **{**NARROW.get(name, {}), **settings})  # type: ignore[arg-type]
    return seeded_network(config, channels, CLASSES, seed)


def images(name: str, n: int, channels: int = 3) -> torch.Tensor:
    """Images, or embeddings of `channels` numbers."""
    if name in VECTORS:
        return torch.randn(n, channels, generator=torch.Generator().manual_seed(0))
    return torch.randn(n, channels, SMALL[name], SMALL[name], generator=torch.Generator().manual_seed(0))


def test_each_encoder_has_code_and_facts() -> None:
    assert list(ENCODERS) == list(ENCODER_FACTS)


@pytest.mark.parametrize(
    ("name", "channels"),
    [*((name, channels) for name in ENCODERS for channels in (1, 3)), *((k, 3) for k in LIBRARIES)],
)
def test_shapes_unit_length_and_gradients(name: str, channels: int) -> None:
    net = make(name, channels)
    x = images(name, 4, channels)
    logits, z = net(x), net.project(x)
    assert logits.shape == (4, CLASSES)
    assert z.shape == (4, 6)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(4))
    (logits.square().sum() + z[:, 0].sum()).backward()
    without = [
        k for k, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()
    ]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_lower_the_loss_and_move_everything(name: str) -> None:
    net = make(name)
    before = {key: value.clone() for key, value in net.encoder.state_dict().items()}
    x, labels = images(name, 6), torch.tensor([0, 1, 2, 3, 4, 5])
    optimizer = sgd(net, 0.01, 0.9, 0.0)
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(net(x), labels)
        losses.append(loss.item())
        step(optimizer, loss, 0.01)
    assert losses[2] < losses[0]
    still = [key for key, value in net.encoder.state_dict().items() if torch.equal(value, before[key])]
    assert still == (["whiten.weight"] if name == "airbench" else [])


@pytest.mark.parametrize("name", NAMES)
def test_in_evaluation_mode_an_image_is_judged_alone(name: str) -> None:
    net = make(name)
    x = images(name, 4)
    with torch.no_grad():
        trained = net.train()(x)
        judged = net.eval()(x)
        torch.testing.assert_close(net(x[:1]), judged[:1], rtol=1e-4, atol=1e-4)
    normalises = any(isinstance(module, _BatchNorm) for module in net.modules())
    assert torch.allclose(trained, judged, rtol=1e-3, atol=1e-3) != normalises


@pytest.mark.parametrize("name", NAMES)
def test_weights_follow_the_seed_and_leave_the_global_generator_alone(name: str) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    one, again, other = (make(name, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for (key, a), b, c in zip(one.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        batch_norm = a.ndim == 1 and bool((a == a[0]).all())
        assert batch_norm or not torch.equal(a, c), key


KEYS = {
    "small_cnn": (30, "561904558361"),
    "airbench": (44, "7a9cf0df76d1"),
    "preact_resnet18": (111, "2cf544469a0a"),
    "mlp": (12, "64436010b822"),
    "identity": (6, "22cc9d29be49"),
}
"""Number of a network's weights and buffers, and the start of the SHA-256 of their names, one a line."""


@pytest.mark.parametrize("name", list(ENCODERS))
def test_names_of_the_weights_are_those_of_older_checkpoints(name: str) -> None:
    with torch.device("meta"):
        keys = list(Network(NetworkConfig(name=name), 3, 10).state_dict())  # type: ignore[arg-type]
    assert (len(keys), hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]) == KEYS[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in VECTORS])
def test_convolutions_are_channels_last(name: str) -> None:
    kernels = [p for p in make(name).parameters() if p.ndim == 4]
    assert kernels
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"name": "vgg"}, "network/name: unknown encoder; allowed: .*airbench.*timm:MODEL, torchvision:MODEL .*'vgg'"),
    ({"name": "torchvision:resnet5"}, "network/name: torchvision has no model 'resnet5'; close ones: .*resnet50"),
    ({"name": "timm:resnet10"}, "network/name: timm has no model 'resnet10'; close ones: .*resnet10t"),
    ({"name": "timm:resnet18.none"}, "timm has no model 'resnet18.none'; close ones: .*resnet18"),
    ({"name": "timm:hf-hub:timm/resnet18"}, "timm has no model 'hf-hub:timm/resnet18'"),
    ({"name": "torchvision:inception_v3"}, "torchvision has no model 'inception_v3'"),
    ({"name": "torchvision:"}, "torchvision has no model ''; its .* models include alexnet"),
    ({"width": 0}, "network/width: .*greater than or equal to 1.*0"),
    (
        {"name": "torchvision:resnet50", "width": 64},
        "network: .*width 64: torchvision:resnet50 .*only small_cnn, airbench, preact_resnet18 and mlp",
    ),
    ({"name": "torchvision:resnet18", "stem": "mnist"}, "network/stem: .*'imagenet' or 'cifar'.*'mnist'"),
    ({"name": "preact_resnet18", "stem": "cifar"}, "stem 'cifar': preact_resnet18 .*only torchvision's ResNets"),
    ({"name": "torchvision:vgg11", "stem": "cifar"}, "stem 'cifar': torchvision:vgg11 .*only torchvision's ResNets"),
    ({"name": "torchvision:resnet18", "weights": "/absent.pth"}, "weights /absent.pth: the file does not exist"),
    ({"name": "small_cnn", "weights": "/absent.pth"}, "weights /absent.pth: only timm:MODEL and torchvision:MODEL"),
    (
        {"name": "torchvision:resnet18", "weights": "/absent.pth", "stem": "cifar"},
        "weights /absent.pth: only .*stem 'imagenet'",
    ),
    ({"name": "torchvision:resnet18", "input_size": 7}, "network/input_size: .*greater than or equal to 8"),
]


@pytest.mark.parametrize(("settings", "message"), FAULTS)
def test_faulty_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_config({"network": settings})


@pytest.mark.parametrize("name", NAMES)
def test_every_network_can_be_named_on_every_data_set(name: str) -> None:
    """A data set's defaults hold no setting that another network refuses."""
    data = {"name": "vectors"} if name in VECTORS else {"name": "digits"}
    settings = resolved({"data": data, "network": {"name": name, "width": None}}, UNCOUNTED)
    assert train_config(settings).network.name == name


@pytest.mark.parametrize(("name", "width"), [("small_cnn", 16), ("preact_resnet18", 64)])
def test_own_width(name: str, width: int) -> None:
    shapes = []
    for settings in ({}, {"width": width}):
        with torch.device("meta"):
            net = Network(NetworkConfig(name=name, **settings), 1, 10)  # type: ignore[arg-type]
        shapes.append([p.shape for p in net.parameters()])
    assert shapes[0] == shapes[1]


def test_weights_survive_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.touch()
    config = NetworkConfig(name="torchvision:resnet50", weights=path)
    assert NetworkConfig.model_validate(config.model_dump(mode="json")) == config


def test_kept_running_statistics() -> None:
    """Outputs are those of training mode; running statistics stay, and move again afterwards."""
    net = make("small_cnn").train()
    x = images("small_cnn", 6)
    running = {k: v.clone() for k, v in net.state_dict().items() if "running" in k}
    with torch.no_grad():
        with kept_running_statistics(net):
            kept = net(x)
        assert all(torch.equal(net.state_dict()[k], v) for k, v in running.items())
        assert torch.equal(net(x), kept)
    assert not any(torch.equal(net.state_dict()[k], v) for k, v in running.items())
