"""Views of embeddings: standardised, noisy in proportion, from the generator given alone, and mixed as they should."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from codim.config.augment import AugmentConfig
from codim.data.feature_views import FeatureAugmenter, augmenter_of

N, DIM = 4_000, 5


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def vectors() -> Tensor:
    """Numbers of other means and scales; the last one is constant."""
    x = torch.randn(N, DIM, generator=seeded()) * torch.tensor([1.0, 10.0, 0.1, 3.0, 0.0])
    return x + torch.tensor([0.0, 5.0, -3.0, 100.0, 7.0])


def fitted(**own: Any) -> FeatureAugmenter:
    off = {"feature_noise": 0.0, "feature_dropout": 0.0, "feature_mixup": 0.0}
    return FeatureAugmenter.fit(AugmentConfig(**(off | own)), vectors())


def test_plain_views_are_standardised_and_all_off_is_plain() -> None:
    augmenter, x = fitted(), vectors()
    plain = augmenter.plain(x)
    torch.testing.assert_close(plain.mean(0), torch.zeros(DIM), atol=1e-4, rtol=0)
    torch.testing.assert_close(plain.std(0), torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]), atol=1e-3, rtol=0)
    assert torch.equal(augmenter.weak(x, seeded()), plain)
    assert torch.equal(augmenter.strong(x, seeded()), plain)
    assert plain.dtype == augmenter.plain(x.half()).dtype == torch.float32


@pytest.mark.parametrize("view", ["weak", "strong"])
def test_views_depend_on_their_generator_alone(view: str) -> None:
    make = getattr(fitted(feature_noise=0.3, feature_dropout=0.3, feature_mixup=0.3), view)
    x = vectors()
    before, state = x.clone(), torch.get_rng_state()
    first, again, other = make(x, seeded(1)), make(x, seeded(1)), make(x, seeded(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state), "drew from the global generator"


@pytest.mark.parametrize("view", ["weak", "strong"])
def test_noise_is_in_units_of_the_standard_deviation(view: str) -> None:
    augmenter, x = fitted(feature_noise=0.4), vectors()
    moved = getattr(augmenter, view)(x, seeded()) - augmenter.plain(x)
    torch.testing.assert_close(moved.std(0), torch.full((DIM,), 0.4), atol=0.02, rtol=0)
    assert moved.mean(0).abs().max() < 0.03


def test_dropout_leaves_out_its_share_and_keeps_the_expectation() -> None:
    augmenter, x = fitted(feature_dropout=0.25), vectors()
    plain, view = augmenter.plain(x)[:, :4], augmenter.strong(x, seeded())[:, :4]
    assert (view == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)
    kept = view != 0
    torch.testing.assert_close(view[kept], plain[kept] / 0.75)


def test_mixing_keeps_the_larger_part_of_each_embedding() -> None:
    """The part of another one is uniform in [0, .4]: every row moves along the line to some other row."""
    augmenter, x = fitted(feature_mixup=0.4), vectors()[:300]
    plain, view = augmenter.plain(x), augmenter.strong(x, seeded())
    part = []
    for own, mixed in zip(plain, view, strict=True):
        ways = plain - own
        along = ((mixed - own) * ways).sum(1) / ways.square().sum(1).clamp(min=1e-9)
        missed = (own + along[:, None] * ways - mixed).norm(dim=1)
        part.append(along[missed.argmin()].item())
        assert missed.min() < 1e-4
    assert min(part) >= 0
    assert 0.3 < max(part) <= 0.4
    assert sum(part) / len(part) == pytest.approx(0.2, abs=0.03)


def test_views_in_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="augment/size: 32, but embeddings have no pixels"):
        FeatureAugmenter.fit(AugmentConfig(size=32), vectors())


def test_the_views_follow_from_the_shape() -> None:
    assert augmenter_of(vectors().shape[1:]) is FeatureAugmenter
    assert augmenter_of((3, 8, 8)) is not FeatureAugmenter
