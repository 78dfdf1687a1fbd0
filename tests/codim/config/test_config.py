"""Presets, composition and the errors of settings; the learning rate's course."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, merge, train_config
from codim.noise.asymmetric import AsymmetricNoise
from codim.noise.base import NoNoise
from codim.noise.file import FileNoise
from codim.noise.pairflip import PairFlipNoise
from codim.noise.symmetric import SymmetricNoise
from codim.section import Section

SECTIONS: list[type[Section]] = [
    *(type(getattr(TrainConfig(), name)) for name in TrainConfig.model_fields if name != "noise"),
    *(NoNoise, SymmetricNoise, AsymmetricNoise, PairFlipNoise, FileNoise),
]


def named(method: str) -> dict[str, Any]:
    """The least that a method needs."""
    return {"method": method} | ({"divide": {"labels_per_class": 5}} if method == "cssl" else {})


def test_methods_are_settings() -> None:
    made = {name: train_config(named(name)) for name in METHODS}
    assert [name for name, c in made.items() if c.divide.split == "given"] == ["cssl"]
    assert [name for name, c in made.items() if c.pretrain.epochs == 0] == ["ce", "dividemix"]
    assert [name for name, c in made.items() if not c.train.co_training] == ["ce"]
    assert [name for name, c in made.items() if c.train.co_training and c.contrastive.weight == 0] == [
        "dividemix",
        "c2d",
    ]
    assert made["codim-self"].contrastive.kind == "self"
    assert made["codim-sup"].contrastive.kind == "sup"
    assert train_config({}) == made["codim-sup"]


def test_settings_beside_what_makes_a_method_are_free() -> None:
    config = train_config({"method": "dividemix", "contrastive": {"kind": "self"}, "warmup": {"epochs": 7}})
    assert (config.contrastive.weight, config.pretrain.epochs) == (0, 0)
    assert (config.contrastive.kind, config.warmup.epochs) == ("self", 7)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_config_is_its_own_dump(name: str) -> None:
    config = train_config(named(name) | {"noise": {"kind": "symmetric", "rate": 0.3}})
    assert TrainConfig.model_validate(config.model_dump(mode="json")) == config


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"method": "mixup"}, "method: 'mixup' is unknown, allowed: ce, dividemix, c2d, codim-self, codim-sup"),
    ({"method": ["ce"]}, r"method: \['ce'\] is unknown"),
    ({"data": {"name": ["digits"]}}, "data/name: "),
    ({"method": "ce", "pretrain": 3}, "pretrain: "),
    ({"method": "dividemix", "contrastive": {"weight": 0.3}}, "contrastive/weight: 0.3 contradicts .*dividemix.*0"),
    ({"train": {"seed": -1}}, "train/seed: .*-1"),
    ({"noise": {"kind": "symmetric", "rate": 0.2, "seed": -1}}, "noise/seed: .*-1"),
    ({"mixmatch": {"lambda": 3}}, "mixmatch/lambda: .*not permitted.*3"),
    ({"mixmacht": {"lambda_u": 3}}, "mixmacht: .*not permitted"),
    ({"warmup": None}, "warmup: "),
    ({"warmup": 3}, "warmup: "),
    ({"mixmatch": {"lambda_u": -1}}, "mixmatch/lambda_u: .*greater than or equal to 0.*-1"),
    ({"mixmatch": {"temperature": 0}}, "mixmatch/temperature: .*greater than 0.*0"),
    ({"mixmatch": {"temperature": float("inf")}}, "mixmatch/temperature: .*finite"),
    ({"divide": {"p_threshold": 1.5}}, "divide/p_threshold: .*less than or equal to 1.*1.5"),
    ({"divide": {"loss_history": 0}}, "divide/loss_history: "),
    ({"method": "cssl"}, "divide: split: given with 0 of labels_per_class and labelled_file; allowed: "),
    ({"divide": {"labels_per_class": 4}}, "divide: split: mixture with 1 of labels_per_class"),
    ({"method": "cssl", "divide": {"labelled_file": "/absent.txt"}}, "divide: labelled_file: /absent.txt does not"),
    ({"train": {"epoch_images": 100}, "divide": {"loss_history": 2}}, "train/epoch_images: 100 cannot be combined"),
    (
        {"train": {"co_training": False}, "divide": {"split": "given", "labels_per_class": 4}},
        "divide/split: given has no warm-up, so train/co_training cannot be false",
    ),
    ({"warmup": {"epochs": "three"}}, "warmup/epochs: .*integer.*'three'"),
    ({"warmup": {"epochs": 2.5}}, "warmup/epochs: .*integer.*2.5"),
    ({"contrastive": {"kind": "supervised"}}, "contrastive/kind: .*'self', 'sup' or 'both'.*'supervised'"),
    ({"data": {"name": "svhn"}}, "data/name: unknown data set; allowed: digits.*'svhn'"),
    ({"data": {"val_fraction": 1}}, "data/val_fraction: .*less than 1"),
    ({"noise": {"kind": "loud"}}, "noise: kind 'loud' is unknown; allowed: .*symmetric"),
    ({"noise": {"rate": 0.2}}, "noise: kind is missing; allowed: none, symmetric"),
    ({"noise": {"kind": "symmetric"}}, "noise/.*rate: Field required"),
    ({"noise": {"kind": "symmetric", "rate": 0.2, "map": "digits"}}, "noise/.*map: .*not permitted"),
    ({"noise": {"kind": "file", "path": "/absent.npy"}}, "noise.*: .*/absent.npy does not exist"),
    ({"train": {"device": "tpu"}}, "train/device: .*'tpu'"),
]


@pytest.mark.parametrize(("settings", "message"), FAULTS, ids=[message.split(":")[0] for _, message in FAULTS])
def test_faults_name_their_path_and_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        train_config(settings)
    assert not isinstance(error.value, ValidationError)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ValueError, match="optim/lr") as error:
        train_config({"optim": {"lr": 0}, "warmup": {"epochs": 0}})
    assert len(str(error.value).splitlines()) == 2


def test_merge_replaces_the_noise_whole_and_goes_into_other_sections() -> None:
    base = {"noise": {"kind": "symmetric", "rate": 0.2}, "optim": {"lr": 0.1, "momentum": 0.5}}
    over = {"noise": {"kind": "none"}, "optim": {"lr": 0.2}, "warmup": {"epochs": 3}}
    merged = merge(base, over)
    assert merged == {"noise": {"kind": "none"}, "optim": {"lr": 0.2, "momentum": 0.5}, "warmup": {"epochs": 3}}
    assert base["optim"] == {"lr": 0.1, "momentum": 0.5}
    assert train_config(merged).noise == NoNoise()


def test_presets_survive_their_use() -> None:
    before = repr(METHODS)
    train_config({"method": "ce", "train": {"seed": 3}})
    assert repr(METHODS) == before


def test_settings_are_frozen() -> None:
    config = train_config({})
    with pytest.raises(ValidationError, match="frozen"):
        config.optim.lr = 1.0


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.__name__)
def test_every_setting_has_a_docstring(section: type[Section]) -> None:
    assert section.__doc__
    assert not {name for name, field in section.model_fields.items() if not field.description}


def test_docstrings_with_numbers_say_where_they_come_from() -> None:
    """A description never is a copy of the name."""
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            text = re.sub(r"\W+", " ", field.description or "x y z").strip().lower()
            assert text != name.replace("_", " "), f"{section.__name__}.{name}"
