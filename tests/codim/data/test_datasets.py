"""Subset, split, official validation, open-set images, settings of places; and the nominal shapes."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codim.config.data import DataConfig
from codim.config.datasets import DATASET_FACTS
from codim.config.divide import DivideConfig
from codim.config.train_config import train_config
from codim.data import load as datasets
from codim.data.image_source import ImageSource
from codim.data.load import load_data
from codim.data.nominal import nominal_data
from codim.data.splits import stratified_split, subset_rows
from codim.noise.base import NoNoise
from codim.noise.file import FileNoise
from codim.noise.kinds import NOISE_ADAPTER
from codim.noise.openset import OpenSetNoise
from codim.noise.symmetric import SymmetricNoise


@given(seed=st.integers(0, 10**6), size=st.integers(1, 300), k=st.integers(1, 12))
def test_a_subset_has_its_size_and_the_shares_of_the_classes(seed: int, size: int, k: int) -> None:
    labels = np.random.default_rng(seed).integers(0, k, 300)
    rows = subset_rows(labels, size)
    assert len(rows) == size
    assert (np.diff(rows) > 0).all()
    shares = np.bincount(labels, minlength=k) * size / 300
    assert (abs(np.bincount(labels[rows], minlength=k) - shares) <= 1).all()
    assert np.array_equal(rows, subset_rows(labels, size))


def test_no_subset_is_all_and_a_larger_one_is_refused() -> None:
    labels = np.arange(30) % 3
    assert subset_rows(labels, 0).tolist() == list(range(30))
    with pytest.raises(ValueError, match="data/subset: 31 images, the training part has 30"):
        subset_rows(labels, 31)


def test_every_noise_shares_the_images_of_a_subset(few_digits: ImageSource) -> None:
    config = DataConfig(subset=100)
    (a, _), (b, truth) = (load_data(config, noise) for noise in (NoNoise(), SymmetricNoise(rate=0.5)))
    assert torch.equal(a.images, b.images)  # type: ignore[arg-type]
    rows = subset_rows(few_digits.labels, 100)
    assert truth.labels.tolist() == few_digits.labels[rows].tolist()
    assert sorted([*b.train_index.tolist(), *b.val_index.tolist()]) == list(range(100))


def test_labels_of_a_file_keep_to_their_images_in_a_subset(few_digits: ImageSource, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 10, len(few_digits.labels))
    np.save(tmp_path / "labels.npy", labels)
    data, truth = load_data(DataConfig(subset=50), FileNoise(path=tmp_path / "labels.npy"))
    rows = subset_rows(few_digits.labels, 50)
    assert data.labels.tolist() == labels[rows].tolist()
    assert truth.clean is not None
    assert truth.clean.tolist() == (labels == few_digits.labels)[rows].tolist()
    assert truth.noise_rate == pytest.approx((labels != few_digits.labels)[rows].mean())


def test_the_split_is_stratified_by_given_label() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 1])
    train, val = stratified_split(labels, 0.2, 3)
    assert np.bincount(labels[val], minlength=3).tolist() == [20, 10, 0]
    assert sorted([*train, *val]) == list(range(151))


def test_an_official_validation_part_stands_at_the_end_with_its_own_labels(
    few_digits: ImageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_part = replace(few_digits, val_images=few_digits.test_images[:30], val_labels=few_digits.test_labels[:30])
    monkeypatch.setitem(datasets.DATASETS, "digits", lambda config: with_part)
    noise = SymmetricNoise(rate=0.5, include_true=False)
    data, truth = load_data(DataConfig(validation="official"), noise)
    n = len(few_digits.labels)
    assert data.train_index.tolist() == list(range(n))
    assert data.val_index.tolist() == list(range(n, n + 30))
    assert data.labels[n:].tolist() == few_digits.test_labels[:30].tolist()
    assert torch.equal(data.images[data.val_index], torch.from_numpy(few_digits.test_images[:30]))
    assert truth.noise_rate == 0.5, "of the training part"
    assert truth.clean is not None
    assert truth.clean[n:].all()


def test_without_an_official_validation_part_none_is_invented(few_digits: ImageSource) -> None:
    with pytest.raises(ValueError, match="data/validation: 'official', but digits has no validation part"):
        load_data(DataConfig(validation="official"), NoNoise())


@pytest.mark.parametrize("subset", [0, 100])
def test_a_subset_of_open_set_noise_is_the_whole_cut(
    few_digits: ImageSource, monkeypatch: pytest.MonkeyPatch, subset: int
) -> None:
    foreign = replace(few_digits, images=255 - few_digits.images)
    monkeypatch.setitem(datasets.DATASETS, "cifar10", lambda config: foreign)
    noise = OpenSetNoise(rate=0.5, open_share=1, source="cifar10")
    data, truth = load_data(DataConfig(subset=subset), noise)
    expected, out = few_digits.images.copy(), np.zeros(len(few_digits.labels), dtype=bool)
    index = noise.replaced(few_digits.labels)
    expected[index], out[index] = foreign.images[noise.replacements(few_digits.labels, len(out))], True
    rows = subset_rows(few_digits.labels, subset)
    assert torch.equal(data.images[:], torch.from_numpy(expected[rows]))
    assert truth.labels.tolist() == np.where(out, -1, few_digits.labels)[rows].tolist()
    assert data.labels.tolist() == few_digits.labels[rows].tolist()
    assert truth.noise_rate == pytest.approx(out[rows].mean())
    np.testing.assert_array_equal(truth.transition, np.eye(10))


def test_places_are_absolute_and_have_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODIM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert DataConfig().root is None
    assert DataConfig(name="cifar10").root == tmp_path / "data"
    assert DataConfig(name="webvision").root == tmp_path / "data" / "webvision"
    assert DataConfig.model_validate({"name": "folder", "root": "own", "cache": "c"}).root == tmp_path / "own"
    assert DataConfig.model_validate({"name": "folder", "root": "own", "cache": "c"}).cache == tmp_path / "c"
    monkeypatch.setenv("CODIM_DATA", "/data")
    assert DataConfig(name="clothing1m").root == Path("/data/clothing1m")
    assert train_config({"data": {"name": "cifar100"}}).data.root == Path("/data")
    for wrong in ({"root": 3}, {"name": ["digits"]}, {"root": "x", "cache_size": 0}):
        with pytest.raises(ValueError, match="data/"):
            train_config({"data": wrong})


def test_what_a_stage_without_labels_depends_on() -> None:
    base = DataConfig(name="cifar10")
    for same in ({"val_fraction": 0.4}, {"split_seed": 3}, {"download": True}, {"cache": Path("/c")}):
        assert base.model_copy(update=same).images() == base.images()
    others: list[dict[str, Any]] = [{"subset": 9}, {"name": "cifar100"}, {"root": Path("/r")}, {"cache_size": 99}]
    for other in [*others, {"validation": "official"}]:
        assert base.model_copy(update=other).images() != base.images()


def test_nominal_shapes_are_those_of_the_data(digits: ImageSource) -> None:
    data, _ = load_data(DataConfig(), NoNoise())
    planned = nominal_data(DataConfig(), NoNoise())
    assert len(planned.labels) == len(data.images)
    assert planned.classes == len(data.classes)
    assert abs(len(planned.val_index) - len(data.val_index)) <= 10


def test_each_data_set_has_a_loader_and_facts() -> None:
    assert list(datasets.DATASETS) == list(DATASET_FACTS)


@pytest.mark.parametrize("name", [name for name, facts in DATASET_FACTS.items() if facts.shape])
def test_planning_needs_no_images(name: Literal["clothing1m"]) -> None:
    data = nominal_data(DataConfig(name=name, subset=1200), SymmetricNoise(rate=0.5))
    assert len(data.labels) == 1200
    assert data.labels.max() == data.classes - 1
    assert np.isnan(data.noise_rate) == (name in ("webvision", "clothing1m"))
    assert len(data.train_index) + len(data.val_index) == 1200


def test_planning_knows_official_validation_parts_and_unfit_noise() -> None:
    data = nominal_data(DataConfig(name="clothing1m", validation="official", subset=100), NoNoise())
    assert (len(data.train_index), len(data.val_index)) == (100, 14_313)
    with pytest.raises(ValueError, match="webvision has no validation part"):
        nominal_data(DataConfig(name="webvision", validation="official"), NoNoise())
    with pytest.raises(ValueError, match="data/name: 'folder' has no published shape; allowed: digits"):
        nominal_data(DataConfig(name="folder", root=Path("/own")), NoNoise())
    rate = NOISE_ADAPTER.validate_python({"kind": "symmetric", "rate": 0.4, "include_true": False})
    assert nominal_data(DataConfig(name="cifar10"), rate).noise_rate == pytest.approx(0.4)


@given(
    rate=st.floats(0, 1),
    seed=st.integers(0, 99),
    fraction=st.floats(0, 0.99),
    split_seed=st.integers(0, 9),
    subset=st.integers(20, 1347),
)
@settings(max_examples=30, deadline=None)
def test_published_and_real_labels_split_alike_up_to_two_images_a_class(
    rate: float, seed: int, fraction: float, split_seed: int, subset: int
) -> None:
    """On which the check of a study before its data are loaded relies."""
    config = DataConfig(val_fraction=fraction, split_seed=split_seed, subset=subset)
    noise = SymmetricNoise(rate=rate, seed=seed)
    assert abs(len(nominal_data(config, noise).val_index) - len(load_data(config, noise)[0].val_index)) <= 20


def test_planning_finds_too_few_labels() -> None:
    data = nominal_data(DataConfig(val_fraction=0), NoNoise())
    data.require_given(DivideConfig(split="given", labels_per_class=134))
    with pytest.raises(ValueError, match="labels_per_class: 135, but class 7 has 134 samples"):
        data.require_given(DivideConfig(split="given", labels_per_class=135))
    even = nominal_data(DataConfig(subset=1000, val_fraction=0), NoNoise())
    with pytest.raises(ValueError, match="all 1000 images of the training part are labelled"):
        even.require_given(DivideConfig(split="given", labels_per_class=100))
