"""One step of stage 3 against a transcription that forwards one image and one view at a time.

The transcription holds for guessing in evaluation mode, where batch norm treats each image alone. In training mode the
batch statistics are those of all views of one forward pass: there no image has a target of its own.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from codim.config.augment import AugmentConfig
from codim.config.contrastive import ContrastiveConfig
from codim.config.mixmatch import MixMatchConfig
from codim.config.network import NetworkConfig
from codim.data.augment import Augmenter
from codim.losses.mixmatch import draw_lambda
from codim.models.network import Network, seeded_network
from codim.training.cssl import Batch, _targets, cssl_losses
from tests.support.oracles import (
    brier_oracle,
    class_balance_oracle,
    co_guess_oracle,
    co_refine_oracle,
    nt_xent_oracle,
    soft_cross_entropy_oracle,
    sup_con_oracle,
    trusted_pairs_oracle,
)

N, M, K = 5, 7, 4


@pytest.fixture
def networks() -> list[Network]:
    """Two networks whose batch norm has seen data."""
    nets = [seeded_network(NetworkConfig(width=4, projection_dim=8), 1, K, seed) for seed in (0, 1)]
    x = torch.randn(64, 1, 8, 8, generator=Generator().manual_seed(9))
    for net in nets:
        net.train()
        net(x)
    return nets


@pytest.fixture
def batch() -> Batch:
    generator = Generator().manual_seed(1)
    images = torch.randint(0, 256, (N + M, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(K, (N,), generator=generator)
    return Batch(images[:N], labels, torch.rand(N, generator=generator), images[N:])


@pytest.fixture
def augmenter(batch: Batch) -> Augmenter:
    return Augmenter.fit(AugmentConfig(crop_padding=1, strong_scale_min=0.5), torch.cat([batch.x, batch.u]))


def one(net: Network, image: Tensor) -> list[float]:
    """Softmax of one image in a forward pass of its own."""
    row: list[float] = net(image[None]).softmax(1)[0].tolist()
    return row


@torch.no_grad()
def targets_oracle(net: Network, peer: Network, batch: Batch, views: list[Tensor], t: float) -> list[list[float]]:
    net.eval()
    peer.eval()
    targets = []
    for i in range(N):
        p = [one(net, view[i]) for view in views]
        mean = [sum(column) / 2 for column in zip(*p, strict=True)]
        targets.append(co_refine_oracle(int(batch.labels[i]), batch.clean_probability[i].item(), mean, t))
    for i in range(N, N + M):
        targets.append(co_guess_oracle([one(m, view[i]) for m in (net, peer) for view in views], t))
    return targets


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_targets(networks: list[Network], batch: Batch, augmenter: Augmenter, temperature: float) -> None:
    mix = MixMatchConfig(temperature=temperature, guess_in_train_mode=False)
    images = torch.cat([batch.x, batch.u])
    views = [augmenter.weak(images, Generator().manual_seed(v)) for v in (0, 1)]
    found = torch.cat(_targets(*networks, batch, views, mix))
    expected = targets_oracle(*networks, batch, views, temperature)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-4)
    assert not found.requires_grad


def test_guessing_in_train_mode_moves_the_statistics_of_the_trained_network_only(
    networks: list[Network], batch: Batch, augmenter: Augmenter
) -> None:
    images = torch.cat([batch.x, batch.u])
    views = [augmenter.weak(images, Generator().manual_seed(v)) for v in (0, 1)]
    for in_train_mode in (True, False):
        before = copy.deepcopy([dict(net.named_buffers()) for net in networks])
        _targets(*networks, batch, views, MixMatchConfig(guess_in_train_mode=in_train_mode))
        same = [
            all(torch.equal(value, old[name]) for name, value in net.named_buffers())
            for net, old in zip(networks, before, strict=True)
        ]
        assert same == [not in_train_mode, True]


@pytest.mark.parametrize("sets", ["labelled", "unlabelled", "both"])
@pytest.mark.parametrize("kind", ["self", "sup", "both"])
def test_losses(networks: list[Network], batch: Batch, augmenter: Augmenter, kind: Any, sets: Any) -> None:
    """algorithm, stage 3; random numbers in the order: two weak views, partner, lambda, two strong views."""
    mix = MixMatchConfig(temperature=0.4, guess_in_train_mode=False)
    contrast = ContrastiveConfig(kind=kind, sets=sets, weight=0.7, sup_weight=0.4, temperature=0.3, confidence=0.5)
    net, peer = networks
    twin = copy.deepcopy(net)
    losses = cssl_losses(net, peer, batch, mix, contrast, 3.0, augmenter, Generator().manual_seed(5))
    assert net.training
    assert not peer.training

    generator = Generator().manual_seed(5)
    images = torch.cat([batch.x, batch.u])
    views = [augmenter.weak(images, generator) for _ in range(2)]
    targets = targets_oracle(twin, peer, batch, views, mix.temperature)
    inputs = torch.cat([views[0][:N], views[1][:N], views[0][N:], views[1][N:]])
    rows = [*targets[:N], *targets[:N], *targets[N:], *targets[N:]]
    partner = torch.randperm(len(inputs), generator=generator).tolist()
    lam = draw_lambda(mix.alpha, generator).item()
    mixed = torch.stack([lam * inputs[i] + (1 - lam) * inputs[j] for i, j in enumerate(partner)])
    rows = [[lam * a + (1 - lam) * b for a, b in zip(rows[i], rows[j], strict=True)] for i, j in enumerate(partner)]
    twin.train()
    logits = twin(mixed).tolist()
    x = soft_cross_entropy_oracle(logits[: 2 * N], rows[: 2 * N])
    u = brier_oracle(logits[2 * N :], rows[2 * N :])
    reg = class_balance_oracle(logits)

    member = {"labelled": range(N), "unlabelled": range(N, N + M), "both": range(N + M)}[sets]
    chosen = list(member)
    strong = [augmenter.strong(images[chosen], generator) for _ in range(2)]
    z1, z2 = twin.project(torch.cat(strong)).detach().chunk(2)
    trusted = torch.tensor([i < N or max(targets[i]) >= contrast.confidence for i in chosen])
    pairs = torch.tensor(trusted_pairs_oracle(torch.tensor([targets[i] for i in chosen]), trusted))
    t = contrast.temperature
    weights = {"self": (1, 0), "sup": (0, 1), "both": (1, 0.4)}[kind]
    c = weights[0] * nt_xent_oracle(z1, z2, t) + weights[1] * sup_con_oracle(z1, z2, pairs, t)

    expected = [x + 3.0 * u + 0.7 * c + reg, x, u, c, reg]
    assert [loss.item() for loss in (losses.total, *losses.terms.values())] == pytest.approx(
        expected, rel=1e-4, abs=1e-5
    )


def test_gradients_reach_the_trained_network_only(networks: list[Network], batch: Batch, augmenter: Augmenter) -> None:
    net, peer = networks
    losses = cssl_losses(
        net, peer, batch, MixMatchConfig(), ContrastiveConfig(), 1.0, augmenter, Generator().manual_seed(0)
    )
    losses.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert all(p.grad is None for p in peer.parameters())


def test_weight_0_costs_no_contrastive_forward_pass(
    networks: list[Network], batch: Batch, augmenter: Augmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    monkeypatch.setattr(Augmenter, "strong", lambda *_: called.append("strong"))
    monkeypatch.setattr(Network, "project", lambda *_: called.append("project"))
    losses = cssl_losses(
        *networks, batch, MixMatchConfig(), ContrastiveConfig(weight=0), 2.0, augmenter, Generator().manual_seed(0)
    )
    assert not called
    assert losses.terms["c"] == 0
    torch.testing.assert_close(losses.total, losses.terms["x"] + 2 * losses.terms["u"] + losses.terms["reg"])


def test_a_set_that_stays_out_of_the_contrast_cannot_move_it(
    networks: list[Network], batch: Batch, augmenter: Augmenter
) -> None:
    """Only through the guesses could the other set's images enter; NT-Xent reads no target."""
    contrast = ContrastiveConfig(kind="self", sets="unlabelled")
    other = batch._replace(x=255 - batch.x)
    found = [
        cssl_losses(
            *copy.deepcopy(networks), b, MixMatchConfig(), contrast, 1.0, augmenter, Generator().manual_seed(0)
        ).terms["c"]
        for b in (batch, other)
    ]
    assert torch.equal(*found)
