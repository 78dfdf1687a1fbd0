"""Open-set noise: which samples, which images, and what the truth says of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from codim.data import load as datasets
from codim.data.image_source import ImageSource
from codim.data.load import load_data
from codim.noise.openset import OpenSetNoise
from codim.noise.transition import transition_matrix
from tests.support.noises import pictures, rates, seeds, true_labels, within


def open_set(**settings: Any) -> OpenSetNoise:
    return OpenSetNoise(**{"rate": 0.6, "open_share": 0.25, "source": "cifar100"} | settings)


@given(rate=rates, share=rates, seed=seeds)
def test_open_set_noise_shares_the_noisy_samples_out(rate: float, share: float, seed: int) -> None:
    labels = true_labels(seed)
    settings = open_set(rate=rate, open_share=share, seed=seed)
    index = settings.replaced(labels)
    noisy = round(rate * len(labels))
    assert len(index) == round(share * noisy)
    assert np.array_equal(index, np.unique(index))
    wrong = np.flatnonzero(settings.apply(labels, 10, pictures(len(labels))) != labels)
    assert not np.isin(wrong, index).any(), "they keep their label"
    assert within(len(wrong), noisy - len(index), 0.9)
    drawn = settings.replacements(labels, 3000)
    assert len(np.unique(drawn)) == len(drawn) == len(index)
    assert np.array_equal(drawn, settings.replacements(labels, 3000))


@pytest.fixture
def other(few_digits: ImageSource, monkeypatch: pytest.MonkeyPatch) -> ImageSource:
    """A data set "cifar100" whose every pixel is 99 or more, each image another."""
    shape = (few_digits.images.shape[0], *few_digits.images.shape[1:])
    bright = np.random.default_rng(0).integers(99, 256, shape).astype(np.uint8)
    source = replace(few_digits, images=bright)
    monkeypatch.setitem(datasets.DATASETS, "cifar100", lambda _: source)
    return source


def test_open_set_images_are_exchanged_and_belong_to_no_class(
    few_digits: ImageSource, other: ImageSource, tiny: Callable[..., Any]
) -> None:
    settings = open_set()
    config, data = tiny({"noise": settings.model_dump()})
    data, truth = load_data(config.data, config.noise)
    index = settings.replaced(few_digits.labels)
    images = few_digits.images.copy()
    images[index] = other.images[settings.replacements(few_digits.labels, len(other.images))]
    assert np.array_equal(data.images.numpy(), images)
    assert np.array_equal(np.flatnonzero(truth.labels == -1), index)
    assert data.labels.min() >= 0
    assert np.array_equal(data.labels[index], few_digits.labels[index]), "the label was theirs before"
    assert np.array_equal(truth.test_images, few_digits.test_images)
    assert truth.noise_rate == (data.labels != truth.labels).double().mean().item() > 0.25 * 0.6
    kept = np.setdiff1d(np.arange(len(images)), index)
    closed = transition_matrix(few_digits.labels[kept], data.labels.numpy()[kept], 10)
    np.testing.assert_array_equal(truth.transition, closed)


def test_open_set_sources_that_do_not_fit_are_refused(
    few_digits: ImageSource, other: ImageSource, tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in ("digits", "imagenet"):
        with pytest.raises(ValueError, match=f"noise/source: '{source}'; allowed with data/name digits: .*cifar100"):
            tiny({"noise": open_set(source=source).model_dump()})
    monkeypatch.setitem(datasets.DATASETS, "cifar100", lambda _: replace(other, images=other.images[:, :, :4]))
    with pytest.raises(ValueError, match=r"images of 'cifar100' are \(1, 4, 8\), those of digits \(1, 8, 8\)"):
        tiny({"noise": open_set().model_dump()})
    monkeypatch.setitem(datasets.DATASETS, "cifar100", lambda _: replace(other, images=other.images[:10]))
    with pytest.raises(ValueError, match="'cifar100' has 10 images, the noise exchanges 36"):
        tiny({"noise": open_set().model_dump()})
