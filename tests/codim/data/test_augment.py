"""Every image of a batch draws its own view, from the generator given."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Generator, Tensor

from codim.config.augment import AugmentConfig
from codim.data import augment
from codim.data.augment import Augmenter, _saturate, colour_jitter, random_crop, random_flip, random_resized_crop

LUMA = torch.tensor([0.299, 0.587, 0.114])


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(n: int = 16, channels: int = 3, size: int = 8) -> Tensor:
    return torch.randint(0, 256, (n, channels, size, size), generator=seeded(), dtype=torch.uint8)


def augmenter(channels: int = 3, **settings: Any) -> Augmenter:
    return Augmenter(AugmentConfig(**settings), torch.zeros(channels), torch.ones(channels))


def within(count: int, n: int, p: float) -> bool:
    low, high = stats.binom.interval(1 - 1e-6, n, p)
    return bool(low <= count <= high)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("view", ["weak", "strong"])
def test_shape_type_and_seed(channels: int, view: str) -> None:
    images = pictures(channels=channels)
    before = images.clone()
    make = getattr(augmenter(channels, strong_noise=0.1, strong_rotation=10), view)
    first, again, other = make(images, seeded(1)), make(images, seeded(1)), make(images, seeded(2))
    assert first.shape == images.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)
    state = torch.get_rng_state()
    make(images, seeded(3))
    assert torch.equal(torch.get_rng_state(), state), "drew from the global generator"


def test_fit_gives_each_channel_mean_0_and_deviation_1() -> None:
    images = pictures(64)
    images[:, 1] //= 3
    plain = Augmenter.fit(AugmentConfig(), images).plain(images)
    torch.testing.assert_close(plain.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.std((0, 2, 3)), torch.ones(3), atol=1e-4, rtol=0)


def test_fit_of_small_sets_is_that_of_all_pixels_at_once() -> None:
    images = pictures(300)
    pixels = images.double() / 255
    fitted = Augmenter.fit(AugmentConfig(), images)
    assert torch.equal(fitted.mean.view(-1), pixels.mean((0, 2, 3)).float())
    assert torch.equal(fitted.std.view(-1), pixels.std((0, 2, 3)).float())


def test_fit_looks_at_every_nth_of_many_images_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "FIT_IMAGES", 40)
    monkeypatch.setattr(augment, "FIT_PIXELS", 7 * 3 * 64)
    images = pictures(101)
    pixels = images[::3].double() / 255
    fitted = Augmenter.fit(AugmentConfig(), images)
    assert torch.equal(fitted.mean.view(-1), pixels.mean((0, 2, 3)).float())
    assert torch.equal(fitted.std.view(-1), pixels.std((0, 2, 3)).float())


def test_views_of_another_size() -> None:
    images = pictures(20, size=16)
    made = augmenter(size=7, crop_padding=2)
    for view in (made.plain(images), made.weak(images, seeded()), made.strong(images, seeded())):
        assert view.shape == (20, 3, 7, 7)
    torch.testing.assert_close(augmenter(size=8).plain(images), images[:, :, 4:12, 4:12].float() / 255)
    torch.testing.assert_close(augmenter(size=16).plain(images), images.float() / 255)


def test_views_cannot_be_larger_than_the_images() -> None:
    with pytest.raises(ValueError, match=r"augment/size: 17, but the images have 16x16 pixels"):
        Augmenter.fit(AugmentConfig(size=17), pictures(4, size=16))


@pytest.mark.parametrize("padding", [0, 1])
def test_a_smaller_crop_of_each_image_from_any_place(padding: int) -> None:
    """All places occur, about equally often; without padding each crop lies within the image."""
    side, size, n = 6, 4, 2000
    image = torch.arange(1, side * side + 1).view(1, 1, side, side).to(torch.uint8)
    crops = random_crop(image.expand(n, -1, -1, -1), padding, seeded(), size)
    padded = torch.nn.functional.pad(image, (padding,) * 4)[0]
    places = side + 2 * padding - size + 1
    counts = [
        int((crops == padded[:, r : r + size, c : c + size]).all((1, 2, 3)).sum())
        for r in range(places)
        for c in range(places)
    ]
    assert sum(counts) == n
    assert all(within(count, n, 1 / places**2) for count in counts), counts


def test_a_resized_crop_of_another_size_shows_the_same_part() -> None:
    ramp = (torch.arange(24) / 23).expand(50, 1, 24, 24)
    whole, small = (random_resized_crop(ramp, 0.3, 0.0, seeded(), size) for size in (0, 12))
    assert small.shape == (50, 1, 12, 12)
    inner = torch.nn.functional.avg_pool2d(whole, 2)[..., 2:-2]
    torch.testing.assert_close(small[..., 2:-2], inner, atol=0.01, rtol=0)


def test_fit_of_a_constant_channel_is_finite() -> None:
    images = torch.full((4, 1, 8, 8), 7, dtype=torch.uint8)
    assert Augmenter.fit(AugmentConfig(), images).plain(images).isfinite().all()


def test_each_image_has_its_own_crop() -> None:
    """One image, many times: all 25 shifts occur, each about equally often, and each is the padded image, shifted."""
    padding, size, n = 2, 6, 2000
    image = torch.arange(1, size * size + 1, dtype=torch.float32).view(1, 1, size, size)
    crops = random_crop(image.expand(n, -1, -1, -1), padding, seeded())
    padded = torch.nn.functional.pad(image, (padding,) * 4)[0]
    counts = {
        (r, c): int((crops == padded[:, r : r + size, c : c + size]).all((1, 2, 3)).sum())
        for r in range(2 * padding + 1)
        for c in range(2 * padding + 1)
    }
    assert sum(counts.values()) == n
    assert all(within(count, n, 1 / 25) for count in counts.values()), counts


def test_each_image_has_its_own_flip() -> None:
    image = pictures(1).float()
    flipped = random_flip(image.expand(500, -1, -1, -1), seeded())
    mirrored = (flipped == image.flip(3)).all((1, 2, 3))
    assert ((flipped == image).all((1, 2, 3)) | mirrored).all()
    assert within(int(mirrored.sum()), 500, 0.5)


def test_no_flip_when_off() -> None:
    images = pictures(200)
    weak = augmenter(flip=False, crop_padding=0).weak(images, seeded())
    torch.testing.assert_close(weak, images.float() / 255)
    mild = {"crop_padding": 0, "strong_scale_min": 1.0, "strong_jitter": 0.0, "strong_grey": 0.0}
    ramp = torch.arange(8).mul(30).to(torch.uint8).expand(200, 3, 8, 8)
    rising = {
        flip: (augmenter(**mild, flip=flip).strong(ramp, seeded()).diff(dim=3).sum((1, 2, 3)) > 0).sum().item()
        for flip in (True, False)
    }
    assert rising[False] == 200
    assert within(rising[True], 200, 0.5)


@given(scale=st.floats(0.1, 1), seed=st.integers(0, 10**6))
def test_crop_area_and_aspect_ratio(scale: float, seed: int) -> None:
    """Read off two ramps: by how much the coordinates stretch over the crop is its width and its height."""
    n, size = 64, 32
    position = (torch.arange(size) + 0.5) / size
    ramps = torch.stack([position.expand(size, size), position.expand(size, size).T])
    crops = random_resized_crop(ramps.expand(n, 2, size, size), scale, 0.0, seeded(seed))
    inner = slice(size // 4, 3 * size // 4)
    width = crops[:, 0, :, inner].diff(dim=2).mean((1, 2)) * size
    height = crops[:, 1, inner, :].diff(dim=1).mean((1, 2)) * size
    assert (width <= 1.01).all()
    assert (height <= 1.01).all()
    assert (width * height >= min(scale, 0.75) * 0.98).all()
    ratio = width / height
    assert ((ratio > 0.74) & (ratio < 1.36)).all()
    crops_drawn = torch.stack([width, height]).round(decimals=4).unique(dim=1).shape[1]
    assert scale > 0.9 or crops_drawn > n // 2, "images share a crop"


def test_the_whole_image_is_the_only_crop_of_full_area() -> None:
    x = pictures().float() / 255
    torch.testing.assert_close(random_resized_crop(x, 1.0, 0.0, seeded()), x, atol=1e-5, rtol=0)


def test_rotation_turns_either_way_within_its_limit() -> None:
    """A horizontal ramp, turned: the direction of its gradient is the angle."""
    size, n = 33, 300
    ramp = torch.linspace(0, 1, size).expand(n, 1, size, size)
    x = random_resized_crop(ramp, 1.0, 30.0, seeded())
    middle = slice(size // 2 - 3, size // 2 + 4)
    along, across = (x[:, 0, middle, middle].diff(dim=d).mean((1, 2)) for d in (2, 1))
    angle = torch.atan2(across, along).rad2deg()
    assert angle.abs().max() < 37, "30 degrees, and what the aspect ratio adds"
    assert angle.min() < -15
    assert angle.max() > 15


@given(seed=st.integers(0, 10**6), scale=st.floats(0, 2))
def test_saturation_and_hue_keep_the_luma(seed: int, scale: float) -> None:
    generator = seeded(seed)
    x = torch.rand(5, 3, 4, 4, generator=generator)
    angle = torch.rand(5, generator=generator) * 6 - 3
    y = _saturate(x, torch.full((5,), scale), angle)
    luma = [torch.einsum("c,nchw->nhw", LUMA, image) for image in (x, y)]
    torch.testing.assert_close(*luma, atol=1e-5, rtol=0)


def test_saturation_and_hue_by_hand() -> None:
    x = torch.rand(5, 3, 4, 4, generator=seeded())
    one, zero = torch.ones(5), torch.zeros(5)
    torch.testing.assert_close(_saturate(x, one, zero), x)
    torch.testing.assert_close(_saturate(x, one, one * 2 * math.pi), x, atol=1e-5, rtol=1e-5)
    there = _saturate(x, one, one * 0.7)
    assert (there - x).abs().max() > 0.05
    torch.testing.assert_close(_saturate(there, one, -one * 0.7), x)
    grey = _saturate(x, zero, zero)
    torch.testing.assert_close(grey, torch.einsum("c,nchw->nhw", LUMA, x)[:, None].expand_as(x))


def test_jitter_of_no_strength_is_the_identity() -> None:
    x = torch.rand(20, 3, 4, 4, generator=seeded())
    torch.testing.assert_close(colour_jitter(x, 0.0, 0.0, seeded()), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_takes_four_of_five_images_and_each_by_itself(channels: int) -> None:
    x = torch.rand(1, channels, 4, 4, generator=seeded()).expand(1000, -1, -1, -1) * 0.5 + 0.2
    y = colour_jitter(x, 0.3, 0.0, seeded())
    changed = (y != x).any(3).any(2).any(1)
    assert within(int(changed.sum()), 1000, 0.8)
    assert y[changed].mean((1, 2, 3)).unique().numel() > 700
    assert (y >= 0).all()
    assert (y <= 1).all()


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_share_of_grey_images(share: float) -> None:
    x = torch.rand(1000, 3, 4, 4, generator=seeded())
    y = colour_jitter(x, 0.0, share, seeded())
    grey = ((y - y.mean(1, keepdim=True)).abs() < 1e-5).all(3).all(2).all(1)
    assert within(int(grey.sum()), 1000, share)


def test_pixel_noise_has_its_deviation() -> None:
    settings = {"strong_scale_min": 1.0, "strong_jitter": 0.0, "strong_grey": 0.0, "flip": False}
    images = torch.full((50, 1, 16, 16), 128, dtype=torch.uint8)
    still = augmenter(1, **settings).strong(images, seeded())
    noisy = augmenter(1, **settings, strong_noise=0.25).strong(images, seeded())
    assert still.std() < 1e-3
    assert (noisy - still).std().item() == pytest.approx(0.25, rel=0.05)
