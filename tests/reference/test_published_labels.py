"""The label files that papers published, read as they are, have the noise rates that the papers state."""

import os
from pathlib import Path

import numpy as np
import pytest

from codim.noise.class_maps import CIFAR100_SUPERCLASSES
from codim.noise.file import FileNoise
from codim.noise.label_files import read_label_file
from codim.noise.transition import Labels

PUBLISHED = Path(os.environ.get("CODIM_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
NO_IMAGES = np.zeros((0, 1, 1, 1), dtype=np.uint8)

pytestmark = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published label files are not here")


def published(name: str, key: str | None, true: Labels, num_classes: int = 10) -> Labels:
    return FileNoise(path=PUBLISHED / "noise_labels" / name, key=key).apply(true, num_classes, NO_IMAGES)


@pytest.fixture(scope="module")
def cifar10_labels() -> Labels:
    labels: Labels = np.load(PUBLISHED / "cifar10" / "train_labels.npy").astype(np.int64)
    return labels


@pytest.mark.parametrize("name", ["CIFAR-10_human.pt", "CIFAR-10_human_uint8.npz"])
@pytest.mark.parametrize(
    ("key", "rate"),
    [
        ("clean_label", 0.0),
        ("aggre_label", 0.0901),
        ("random_label1", 0.1723),
        ("random_label2", 0.1812),
        ("random_label3", 0.1764),
        ("worse_label", 0.4021),
    ],
)
def test_cifar_10n(cifar10_labels: Labels, name: str, key: str, rate: float) -> None:
    """Wei et al. 2022, table 1."""
    assert (published(name, key, cifar10_labels) != cifar10_labels).mean() == pytest.approx(rate, abs=6e-5)


@pytest.mark.parametrize("name", ["CIFAR-10_human.pt", "CIFAR-10_human_uint8.npz"])
def test_cifar_10n_for_images_in_another_order(cifar10_labels: Labels, name: str) -> None:
    with pytest.raises(ValueError, match=r"differs from the data set's true label at .* of 50000"):
        published(name, "worse_label", np.roll(cifar10_labels, 1))


def test_cifar_100n() -> None:
    clean = read_label_file(PUBLISHED / "noise_labels" / "CIFAR-100_human.pt")["clean_label"]
    noisy = published("CIFAR-100_human.pt", "noisy_label", clean, num_classes=100)
    assert (clean != noisy).mean() == pytest.approx(0.4020, abs=6e-5)
    with pytest.raises(ValueError, match="allowed: 0 to 9"):
        published("CIFAR-100_human.pt", "noisy_label", clean, num_classes=10)


def test_the_superclasses_of_cifar_100_are_those_of_its_files() -> None:
    content = read_label_file(PUBLISHED / "noise_labels" / "CIFAR-100_human.pt")
    coarse = {k: c for c, fine in enumerate(CIFAR100_SUPERCLASSES.values()) for k in fine}
    assert [coarse[k] for k in content["clean_label"].tolist()] == list(content["clean_coarse_label"])


@pytest.mark.parametrize(("network", "rate"), [("densenet", 0.3189), ("resnet", 0.3805), ("vgg", 0.3009)])
def test_semantic_noise(cifar10_labels: Labels, network: str, rate: float) -> None:
    """Lee et al. 2019."""
    found = published(f"cifar10__semantic_{network}.json", None, cifar10_labels)
    assert (found != cifar10_labels).mean() == pytest.approx(rate, abs=6e-5)


def test_instance_noise(cifar10_labels: Labels) -> None:
    """Chen et al. 2021."""
    assert np.array_equal(published("cifar10_instance_0.4.csv", "label", cifar10_labels), cifar10_labels)
    found = published("cifar10_instance_0.4.csv", "label_noisy", cifar10_labels)
    assert (found != cifar10_labels).mean() == pytest.approx(0.4, abs=6e-5)
