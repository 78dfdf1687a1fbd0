"""Shapes, sizes and seeds of the networks."""

import pytest
import torch

from codim.networks import ENCODERS, Network, NetworkConfig, seeded_network


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("name", list(ENCODERS))
def test_shapes_and_unit_length(name: str, size: int, channels: int) -> None:
    net = Network(NetworkConfig(name=name, width=4, projection_dim=6), channels, 7)  # type: ignore[arg-type]
    x = torch.randn(5, channels, size, size, generator=torch.Generator().manual_seed(0))
    assert net(x).shape == (5, 7)
    z = net.project(x)
    assert z.shape == (5, 6)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(5))
    (net(x).sum() + z[:, 0].sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_preact_resnet18_has_the_size_of_the_literature() -> None:
    """11.17 M is encoder + classifier of 10 classes (the widely used CIFAR code: 11,171,146); the projector comes on
    top."""
    with torch.device("meta"):
        net = Network(NetworkConfig(name="preact_resnet18", width=64, projection_dim=128), 3, 10)
    assert count(net.encoder) + count(net.classifier) == 11_171_146
    assert count(net.projector) == 512 * 512 + 512 + 512 * 128 + 128


@pytest.mark.parametrize("name", list(ENCODERS))
def test_resolution_at_the_end(name: str) -> None:
    """32x32 images reach the pooling with 4x4 (PreAct ResNet-18) and 8x8 positions (small CNN)."""
    encoder, _ = ENCODERS[name](3, 2)
    assert isinstance(encoder, torch.nn.Sequential)
    before_pooling = encoder[:-2](torch.zeros(1, 3, 32, 32))
    assert before_pooling.shape[2:] == {"preact_resnet18": (4, 4), "small_cnn": (8, 8)}[name]


def test_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    config = NetworkConfig(width=4)
    torch.manual_seed(123)
    before = torch.get_rng_state()
    one, again, other = (seeded_network(config, 1, 10, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for (name, a), b, c in zip(one.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.ndim == 1 or not torch.equal(a, c), name
