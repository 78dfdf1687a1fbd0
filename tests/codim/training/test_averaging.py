"""Averages of weights against their definitions, and that training cannot notice them."""

import copy

import pytest
import torch
from torch import Generator, Tensor

from codim.config.augment import AugmentConfig
from codim.config.average import AverageConfig
from codim.config.network import NetworkConfig
from codim.data.augment import Augmenter
from codim.models.network import Network, seeded_network
from codim.training.weight_average import WeightAverage


def two_networks(start: int = 0) -> list[Network]:
    return [seeded_network(NetworkConfig(width=4), 1, 3, seed) for seed in (start, start + 1)]


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (50, 1, 8, 8), generator=Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def augmenter(images: Tensor) -> Augmenter:
    return Augmenter.fit(AugmentConfig(), images)


def change(networks: list[Network], generator: Generator) -> None:
    """In place of a step: other weights."""
    with torch.no_grad():
        for net in networks:
            for p in net.parameters():
                p += torch.randn(p.shape, generator=generator)


def weights(net: Network) -> list[Tensor]:
    return [p.detach().clone() for p in net.parameters()]


def same(found: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_moving_average_is_its_recursion(images: Tensor, augmenter: Augmenter) -> None:
    """It begins with the weights after the first step, not with those before, and forgets faster at first."""
    networks, generator = two_networks(), Generator().manual_seed(0)
    average = WeightAverage(AverageConfig(kind="ema", decay=0.28), networks)
    expected: list[list[Tensor]] = []
    for i in range(4):
        change(networks, generator)
        for k, net in enumerate(networks):
            average.after_step(k, net)
            if i == 0:
                expected.append(weights(net))
            else:
                decay = (2 / 11, 3 / 12, 0.28)[i - 1]
                expected[k] = [decay * m + (1 - decay) * w for m, w in zip(expected[k], weights(net), strict=True)]
        average.after_epoch(networks, 1.0)
    for found, wanted in zip(average.networks(images, torch.arange(50), augmenter), expected, strict=True):
        same(weights(found), wanted)


def test_equal_average_of_late_epochs(images: Tensor, augmenter: Augmenter) -> None:
    networks, generator = two_networks(), Generator().manual_seed(0)
    average = WeightAverage(AverageConfig(kind="swa", start=0.5), networks)
    late: list[list[list[Tensor]]] = [[], []]
    for progress in (0.2, 0.4, 0.5, 0.8, 1.0):
        assert average.started == (progress > 0.5)
        change(networks, generator)
        for k, net in enumerate(networks):
            average.after_step(k, net)
            if progress >= 0.5:
                late[k].append(weights(net))
        average.after_epoch(networks, progress)
    for found, of_epochs in zip(average.networks(images, torch.arange(50), augmenter), late, strict=True):
        same(weights(found), [torch.stack(list(p)).mean(0) for p in zip(*of_epochs, strict=True)])


def test_batch_norm_of_the_average_has_seen_the_training_part(images: Tensor, augmenter: Augmenter) -> None:
    """In one batch: the statistics of the first layer are those of its input over the training part."""
    networks = two_networks()
    average = WeightAverage(AverageConfig(kind="ema"), networks)
    for k, net in enumerate(networks):
        average.after_step(k, net)
    index = torch.arange(10, 40)
    for net in average.networks(images, index, augmenter):
        assert not net.training
        conv, norm = net.encoder[0], net.encoder[1]  # type: ignore[index]
        with torch.no_grad():
            seen = conv(augmenter.plain(images[index]))
        torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)), atol=1e-5, rtol=1e-4)


def test_statistics_hold_for_images_in_the_order_of_their_classes(augmenter: Augmenter) -> None:
    """Dark images first, then bright ones: the variance within dark batches alone would be far too small."""
    images = torch.randint(0, 30, (64, 1, 8, 8), generator=Generator().manual_seed(0), dtype=torch.uint8)
    images[32:] += 200
    networks = two_networks()
    average = WeightAverage(AverageConfig(kind="ema"), networks)
    for k, net in enumerate(networks):
        average.after_step(k, net)
    net = average.networks(images, torch.arange(64), augmenter, batch_size=16)[0]
    conv, norm = net.encoder[0], net.encoder[1]  # type: ignore[index]
    with torch.no_grad():
        seen = conv(augmenter.plain(images))
    torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)), atol=0, rtol=0.15)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_training_cannot_notice_it(kind: str, images: Tensor, augmenter: Augmenter) -> None:
    networks = two_networks()
    before = copy.deepcopy([net.state_dict() for net in networks])
    torch.manual_seed(0)
    random_state = torch.get_rng_state()
    average = WeightAverage(AverageConfig.model_validate({"kind": kind}), networks)
    for k, net in enumerate(networks):
        average.after_step(k, net)
    average.after_epoch(networks, 1.0)
    average.networks(images, torch.arange(50), augmenter)
    assert all(net.training for net in networks)
    for net, old in zip(networks, before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_restored_average_goes_on_bit_for_bit(images: Tensor, augmenter: Augmenter) -> None:
    config = AverageConfig(kind="swa", start=0)
    networks, generator = two_networks(), Generator().manual_seed(0)
    average = WeightAverage(config, networks)
    change(networks, generator)
    average.after_epoch(networks, 0.3)
    restored = WeightAverage(config, two_networks(start=5))
    restored.load_state_dict(copy.deepcopy(average.state_dict()))
    change(networks, generator)
    found = []
    for own in (average, restored):
        own.after_epoch(networks, 0.6)
        found.append([net.state_dict() for net in own.networks(images, torch.arange(50), augmenter)])
    for a, b in zip(*found, strict=True):
        assert all(torch.equal(value, b[name]) for name, value in a.items())
