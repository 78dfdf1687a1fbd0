"""Instance-dependent noise: what it depends on. (Its arithmetic: tests/reference.)"""

import numpy as np
import pytest

from codim.noise import instance as noise_instance
from codim.noise.transition import transition_matrix
from tests.support.noises import noise, pictures, true_labels


@pytest.mark.parametrize("pixels", ["raw", "standardised"])
def test_chunks_do_not_change_instance_noise(pixels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, images = true_labels(0), pictures(2000)
    kind = {"kind": "instance", "pixels": pixels}
    whole = noise(**kind, rate=0.4).apply(labels, 10, images)
    for images_at_once in (1, 7, 100):
        monkeypatch.setattr(noise_instance, "CHUNK_BYTES", images_at_once * images[0].size * 8)
        assert np.array_equal(noise(**kind, rate=0.4).apply(labels, 10, images), whole)


def test_instance_noise_depends_on_the_image_and_on_the_true_class() -> None:
    """A sample's own image and class decide, given the draws; those of other samples do not."""
    labels, images = true_labels(0), pictures(2000)
    settings = noise(kind="instance", rate=1)
    whole = settings.apply(labels, 10, images)
    others = images.copy()
    others[1000:] = pictures(1000, seed=1)
    changed = settings.apply(labels, 10, others)
    assert np.array_equal(changed[:1000], whole[:1000])
    assert (changed[1000:] != whole[1000:]).mean() > 0.05
    moved = np.where(np.arange(2000) < 1000, labels, (labels + 1) % 10)
    assert np.array_equal(settings.apply(moved, 10, images)[:1000], whole[:1000])


def test_standardised_pixels_scatter_the_flips_of_a_class() -> None:
    """Raw pixels share their mean colour, whose product with W outweighs what tells the images apart."""
    labels, images = true_labels(0, n=5000), pictures(5000) // 4 + 150
    top = {}
    for pixels in ("raw", "standardised"):
        given_labels = noise(kind="instance", rate=1, pixels=pixels).apply(labels, 10, images)
        off = transition_matrix(labels, given_labels, 10) * ~np.eye(10, dtype=bool)
        top[pixels] = (off.max(1) / off.sum(1)).mean()
    assert top["raw"] > 0.9
    assert top["standardised"] < 0.4


def test_standardising_forgets_brightness_and_contrast_of_a_channel() -> None:
    labels, images = true_labels(0), pictures(2000)
    settings = noise(kind="instance", rate=0.5, pixels="standardised")
    stretched = images.copy()
    stretched[:, 0] = (images[:, 0] - 90) * 2
    assert np.array_equal(settings.apply(labels, 10, stretched), settings.apply(labels, 10, images))
    constant = images.copy()
    constant[:, 1] = 7
    assert (settings.apply(labels, 10, constant) != labels).any()
