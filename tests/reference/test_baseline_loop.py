"""Our step and division against the loop of benchmarks/baseline_loop.py, which is written the usual way.

The loop forwards view by view, we forward views together. Without batch norm both are equal; with it they differ where
batch statistics are those of other images, and there only.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from baseline_loop import Loop, past_warmup, usual_transforms
from literal import literal_clean_probability, literal_labelled, literal_losses
from sklearn.cluster import KMeans
from torch import Generator, Tensor, nn
from torchvision.transforms.functional import to_pil_image

from codim.config.augment import AugmentConfig
from codim.config.contrastive import ContrastiveConfig
from codim.config.mixmatch import MixMatchConfig
from codim.config.network import NetworkConfig
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.division.divide import scale_losses
from codim.losses.mixmatch import draw_lambda
from codim.models.network import Network, seeded_network
from codim.training.cssl import Batch, cssl_losses

N, M, K = 12, 16, 4
TERMS = ("total", "x", "u", "c", "reg")
Tiny = Callable[..., tuple[TrainConfig, TrainingData]]


@pytest.fixture
def batch() -> Batch:
    generator = Generator().manual_seed(1)
    images = torch.randint(0, 256, (N + M, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(K, (N,), generator=generator)
    return Batch(images[:N], labels, torch.rand(N, generator=generator), images[N:])


def networks(batch_norm: bool) -> list[Network]:
    """Two that have seen data; without batch norm each image is normalised by itself."""
    nets = [seeded_network(NetworkConfig(width=4, projection_dim=8), 3, K, seed) for seed in (0, 1)]
    for net in nets:
        for name, module in list(net.named_modules()):
            if isinstance(module, nn.BatchNorm2d) and not batch_norm:
                net.set_submodule(name, nn.GroupNorm(1, module.num_features))
        net.train()
        net(torch.randn(64, 3, 8, 8, generator=Generator().manual_seed(9)))
    return nets


def compare(
    nets: list[Network], batch: Batch, mix: MixMatchConfig, contrast: ContrastiveConfig
) -> tuple[set[str], set[str]]:
    """Names of the losses, and of the weights whose gradients, differ by more than rounding, of one step with equal
    random numbers."""
    images = torch.cat([batch.x, batch.u])
    augmenter = Augmenter.fit(AugmentConfig(crop_padding=1), images)
    ours, theirs = nets[0], copy.deepcopy(nets[0]).to(memory_format=torch.contiguous_format)
    found = cssl_losses(ours, nets[1], batch, mix, contrast, 3.0, augmenter, Generator().manual_seed(5))

    generator = Generator().manual_seed(5)
    weak = [augmenter.weak(images, generator) for _ in range(2)]
    partner = torch.randperm(2 * (N + M), generator=generator)
    lam = draw_lambda(mix.alpha, generator)
    strong = [augmenter.strong(images, generator) for _ in range(2)] if contrast.weight else weak
    x, u = ([view[part] for view in weak + strong] for part in (slice(0, N), slice(N, None)))
    w, draw = batch.clean_probability, lambda rows: (lam, partner)
    expected = literal_losses(theirs, nets[1], x, batch.labels, w, u, draw, mix, contrast, 3.0)

    found.total.backward()
    expected.total.backward()
    own = {"total": found.total, **found.terms}
    losses = {name for name in TERMS if differ(own[name], getattr(expected, name))}
    pairs = zip(ours.named_parameters(), theirs.parameters(), strict=True)
    return losses, {name for (name, a), b in pairs if differ(gradient(a), gradient(b))}


def gradient(weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def differ(a: Tensor, b: Tensor) -> bool:
    return not torch.allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("in_train_mode", [True, False])
@pytest.mark.parametrize("kind", ["self", "sup", "both"])
def test_without_batch_norm_all_losses_and_gradients_are_equal(kind: Any, in_train_mode: bool, batch: Batch) -> None:
    mix = MixMatchConfig(guess_in_train_mode=in_train_mode)
    contrast = ContrastiveConfig(kind=kind, weight=0.7, sup_weight=0.4, confidence=0.4)
    assert compare(networks(batch_norm=False), batch, mix, contrast) == (set(), set())


def test_with_batch_norm_guesses_in_evaluation_mode_are_equal(batch: Batch) -> None:
    """Then targets are, and with them all but the contrastive term."""
    mix = MixMatchConfig(guess_in_train_mode=False)
    nothing = ContrastiveConfig(weight=0)
    assert compare(networks(batch_norm=True), batch, mix, nothing) == (set(), set())


@pytest.mark.parametrize(("in_train_mode", "others"), [(False, {"total", "c"}), (True, {"total", "c", "x", "u"})])
def test_with_batch_norm_stacked_views_change_these_losses(in_train_mode: bool, others: set[str], batch: Batch) -> None:
    mix = MixMatchConfig(guess_in_train_mode=in_train_mode)
    losses, _ = compare(networks(batch_norm=True), batch, mix, ContrastiveConfig(kind="self", weight=0.7))
    assert losses == others


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_views_are_ours_and_all_views_have_our_shape(channels: int) -> None:
    images = torch.randint(256, (5, channels, 12, 12), generator=Generator().manual_seed(0), dtype=torch.uint8)
    for config in (AugmentConfig(), AugmentConfig(size=8, strong_rotation=10)):
        augmenter = Augmenter.fit(config, images)
        plain, weak, strong = usual_transforms(augmenter, (channels, 12, 12))
        for image in images:
            picture = to_pil_image(image)
            found = plain(picture)
            torch.testing.assert_close(found, augmenter.plain(image[None])[0], atol=1e-5, rtol=1e-5)
            assert weak(picture).shape == strong(picture).shape == found.shape


@pytest.mark.parametrize("workers", [0, 1])
def test_losses_for_the_division_are_ours(tiny: Tiny, workers: int) -> None:
    config, data = tiny()
    state, _ = past_warmup(config, data)
    loop = Loop(config, data, state, workers)
    for k in range(2):
        loop.clean_probability(k)
        ours = scale_losses(state.loss_history[-1][k])
        torch.testing.assert_close(loop.history[k][0], ours, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
def test_divisions_are_ours_from_the_same_clusters(tiny: Tiny, rate: float) -> None:
    """Of losses of trainings. k-means of scikit-learn draws its start and stops early, so it gets the start that ours
    has: the extremes."""
    config, data = tiny(
        {"noise": {"kind": "symmetric", "rate": rate}, "train": {"samples": 4_000}, "network": {"width": 16}}
    )
    state, epochs = past_warmup(config, data)
    for _ in range(3):
        past = [torch.stack([scale_losses(own) for own in losses]) for losses in state.loss_history]
        averaged = torch.stack(past).mean(0).numpy()
        next(epochs)
        for scaled, division in zip(averaged, state.divisions, strict=True):
            column = scaled[:, None]
            kmeans = KMeans(2, init=[[scaled.min()], [scaled.max()]], n_init=1, tol=0).fit(column)
            upper = kmeans.labels_ == kmeans.cluster_centers_.argmax()
            w = literal_clean_probability(scaled, config.divide.reg_covar, upper)
            np.testing.assert_allclose(division.clean_probability.numpy(), w, atol=1e-4)
            labelled = literal_labelled(w, config.divide.p_threshold)
            np.testing.assert_array_equal(division.labelled.numpy(), labelled)


def test_an_epoch_trains_both_networks(tiny: Tiny) -> None:
    config, data = tiny()
    state, _ = past_warmup(config, data)
    loop = Loop(config, data, state, workers=0)
    loss, accuracy = loop.epoch()
    assert np.isfinite(loss)
    assert 0 <= accuracy <= 1
    for net, before in zip(loop.nets, state.networks, strict=True):
        assert all(not torch.equal(a, b) for a, b in zip(net.parameters(), before.parameters(), strict=True))
