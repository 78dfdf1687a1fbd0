"""Settings that are `auto`: what they become, and how they fit a time."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codim.config.auto import AUTO, LEAST_PRETRAIN_STEPS, RULES, TIMED, Counts, autos, fitted, resolved, timed
from codim.config.budget import Speed, drawn_samples, milestones
from codim.config.methods import METHODS
from codim.config.train_config import merge, train_config

OWN = {"data": {"name": "folder", "root": "photos"}}
SPEED = Speed(pretrain=0.004, warmup=0.001, cotrain=0.01, checkpoint_bytes=1)


def counted(images: int, side: int = 256, gpu: bool = False) -> Counts:
    return Counts(images, images - images // 5, side, gpu)


def test_settings_without_auto_stay_as_they_are() -> None:
    settings = {"method": "codim-sup", "data": {"name": "digits"}, "mixmatch": {"lambda_u": 3}}
    assert autos(settings) == []
    assert resolved(settings, counted(9)) == settings


@given(
    images=st.integers(10, 2_000_000),
    side=st.sampled_from([9, 28, 32, 64, 95, 96, 256, 4000]),
    gpu=st.booleans(),
    method=st.sampled_from([name for name in METHODS if name != "cssl"]),
)
def test_own_images_of_any_number_and_size_can_be_trained_on(images: int, side: int, gpu: bool, method: str) -> None:
    """Every stage ends before the budget does, and a pre-training is long enough to be of use."""
    counts = counted(images, side, gpu)
    config = train_config(resolved(OWN | {"method": method}, counts))
    marks = milestones(config, counts.images, counts.training_images)
    assert marks.rampup < config.train.samples
    assert config.augment.size <= config.data.cache_size <= max(side, 256)
    steps = config.pretrain.epochs * -(-images // config.pretrain.batch_size)
    assert config.pretrain.epochs == 0 or steps >= LEAST_PRETRAIN_STEPS


def test_what_is_given_is_kept_and_decides_the_rest() -> None:
    counts = counted(2_000)
    short, long = (
        train_config(resolved(merge(OWN, {"train": {"samples": n}, "network": {"width": 5}}), counts))
        for n in (40_000, 400_000)
    )
    assert (short.train.samples, short.network.width) == (40_000, 5)
    assert short.warmup.epochs < long.warmup.epochs
    assert short.pretrain.epochs < long.pretrain.epochs


@pytest.mark.parametrize("images", [500, 50_000])
def test_a_step_of_co_training_draws_as_many_images_as_one_of_cross_entropy(images: int) -> None:
    ce, co_trained = (
        train_config(resolved(OWN | {"method": method}, counted(images))).train.batch_size
        for method in ("ce", "codim-sup")
    )
    assert ce == 2 * co_trained


def test_small_images_are_used_whole_and_photos_cropped() -> None:
    small, photos, on_gpu = (
        train_config(resolved(OWN, counts)) for counts in (counted(999, 32), counted(999), counted(999, gpu=True))
    )
    assert (small.data.cache_size, small.augment.size, small.augment.crop_padding) == (32, 0, 4)
    assert photos.data.cache_size > photos.augment.size > 0 == photos.augment.crop_padding
    assert on_gpu.augment.size > photos.augment.size


@pytest.mark.parametrize(("count", "decay", "batch"), [(500, 0.06, 16), (10_000, 0.006, 64), (10**6, 5e-4, 256)])
def test_many_embeddings_are_trained_on_in_larger_batches_and_with_less_weight_decay(
    count: int, decay: float, batch: int
) -> None:
    own = {"data": {"name": "embeddings", "root": "x.npz"}}
    config = train_config(resolved(own, Counts(count, count, 0, gpu=False)))
    assert config.optim.weight_decay == pytest.approx(decay)
    assert config.train.batch_size == batch
    images = train_config(resolved(merge(OWN, {"optim": {"weight_decay": AUTO}}), counted(count)))
    assert images.optim.weight_decay == 5e-4


def test_auto_where_there_is_no_rule_is_refused() -> None:
    with pytest.raises(ValueError, match=r"optim/lr: 'auto' is possible for .*train/samples.* only"):
        autos({"optim": {"lr": AUTO}})
    assert autos({"train": {"device": AUTO}}) == []


@pytest.mark.parametrize("method", ["ce", "dividemix", "codim-sup"])
@pytest.mark.parametrize("data", [OWN, {"data": {"name": "digits"}}])
def test_a_training_is_fitted_into_a_time(method: str, data: dict[str, Any]) -> None:
    counts = counted(1_000)
    for minutes in (5, 50):
        config = train_config(fitted(timed(data | {"method": method}), counts, SPEED, minutes))
        seconds = SPEED.seconds(drawn_samples(config, counts.images, counts.training_images))
        assert 0.9 * 60 * minutes < seconds <= 60 * minutes


def test_lengths_that_are_given_are_not_changed_to_fit() -> None:
    own = merge(OWN, {"warmup": {"epochs": 3}})
    assert train_config(fitted(timed(own), counted(1_000), SPEED, 15)).warmup.epochs == 3
    assert set(autos(timed({"method": "ce"}))) == set(TIMED) - {"pretrain/epochs"}


def test_every_budget_that_fits_is_found_even_where_those_around_it_are_impossible() -> None:
    """From where a pre-training sets in, a long warm-up leaves too little for co-training."""
    own = timed(merge(OWN, {"warmup": {"epochs": 30}}))
    for minutes in range(10, 40, 3):
        assert train_config(fitted(own, counted(4_000), SPEED, minutes)).warmup.epochs == 30


@pytest.mark.parametrize("minutes", [0.01, 0, -3, float("nan"), float("inf")])
def test_times_that_cannot_be_kept_are_refused(minutes: float) -> None:
    with pytest.raises(ValueError, match=r"--minutes: .*; allowed: (about \d|a number above 0)"):
        fitted(timed(merge(OWN, {"warmup": {"epochs": 3}})), counted(1_000), SPEED, minutes)


def test_two_budgets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--minutes: the settings give train/samples, too; allowed: one of the two"):
        timed({"train": {"samples": 10}})


def test_long_stages_that_are_given_lengthen_the_budget() -> None:
    config = train_config(resolved(merge(OWN, {"pretrain": {"epochs": 200}}), counted(2_000)))
    assert milestones(config, 2_000, 1_600).rampup < config.train.samples


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pretrain": 5}, r"pretrain: 5; allowed: settings"),
        ({"train": None}, r"train: None; allowed: settings"),
        ({"train": {"samples": "many"}}, "train/samples: .*'many'"),
        ({"train": {"batch_size": 0}}, "train/batch_size: .*greater than or equal to 2"),
        ({"pretrain": {"batch_size": [1]}}, "pretrain/batch_size: "),
    ],
)
def test_odd_values_are_refused_before_anything_is_computed_with_them(settings: dict[str, Any], message: str) -> None:
    for own in (OWN | settings, {"data": {"name": "digits"}, "warmup": {"epochs": AUTO}} | settings):
        with pytest.raises(ValueError, match=message):
            resolved(own, counted(1_000))


@pytest.mark.parametrize("side", [5, 8, 16, 32, 95, 100, 120, 256, 2000])
@pytest.mark.parametrize("size", [AUTO, 0, 8, 64])
@pytest.mark.parametrize("gpu", [False, True])
def test_views_are_never_larger_than_the_decoded_images(side: int, size: int | str, gpu: bool) -> None:
    for given_cache in ({}, {"cache_size": 32}) if size in (AUTO, 0, 8) else ({},):
        settings = merge(OWN, {"augment": {"size": size}, "data": OWN["data"] | given_cache})
        config = train_config(resolved(settings, counted(1_000, side, gpu)))
        assert config.augment.size <= config.data.cache_size
        view = config.augment.size or config.data.cache_size
        assert config.network.name != "airbench" or view > 16


def test_the_stem_for_small_images_chooses_its_network() -> None:
    config = train_config(resolved(merge(OWN, {"network": {"stem": "cifar"}}), counted(999)))
    assert config.network.name == "torchvision:resnet18"


@pytest.mark.parametrize(
    ("network", "side", "expected"),
    [
        ({}, 2000, (224, 236, 0)),
        ({}, 230, (224, 230, 0)),
        ({}, 200, (200, 200, 25)),
        ({}, 32, (0, 32, 4)),
        ({"input_size": 112}, 2000, (112, 118, 0)),
        ({"name": "torchvision:maxvit_t"}, 2000, (224, 224, 28)),  # wants the whole square: room for crops is padding
    ],
)
def test_photos_have_the_size_that_the_encoder_wants(network: Any, side: int, expected: tuple[int, int, int]) -> None:
    """convnext_tiny takes the central 224 of 236 pixels."""
    own = merge(OWN, {"network": {"name": "torchvision:convnext_tiny"} | network})
    config = train_config(resolved(own, counted(999, side)))
    assert (config.augment.size, config.data.cache_size, config.augment.crop_padding) == expected


def test_weights_of_others_are_not_trained_without_labels_first_and_change_slowly(tmp_path: Path) -> None:
    (tmp_path / "w.pth").touch()
    random, given = (
        train_config(resolved(merge(OWN, {"network": {"name": "torchvision:resnet18"} | own}), counted(9_999)))
        for own in ({}, {"weights": tmp_path / "w.pth"})
    )
    assert random.pretrain.epochs > 0 == given.pretrain.epochs
    assert given.encoder_lr_factor < random.encoder_lr_factor == 1


def test_each_rule_names_a_setting() -> None:
    config = train_config({})
    for path in RULES:
        section, _, name = path.partition("/")
        assert hasattr(getattr(config, section), name)
