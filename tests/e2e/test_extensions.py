"""A noise kind, a data set, a loss term and a type of dimension from outside the packages, by the calls that
CONTRIBUTING.md names: a study plans, searches and trains with them."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from torch import Tensor

from analysis.frames.settings import searched_settings
from codim.config.datasets import DatasetFacts, Shape
from codim.config.train_config import train_config
from codim.data.image_source import ImageSource
from codim.data.load import register_dataset
from codim.noise.base import Images, NoiseKind, Rate
from codim.noise.kinds import register_noise_kind
from codim.noise.transition import Labels
from codim.training.cssl import Mixed, register_loss_term
from codim.training.session import Session
from study.dimensions.base import Axis, Dimension, Value
from study.dimensions.types import register_dimension_type
from study.errors import SpecError
from study.plan.plan import Plan, load_plan
from study.search.optuna_search import Search
from tests.support.registries import restored
from tests.support.studies import WriteStudy


class FirstClass(NoiseKind):
    """The first samples are all labelled 0."""

    kind: Literal["first-class"] = "first-class"
    rate: Rate

    def apply(self, labels: Labels, num_classes: int, images: Images) -> Labels:
        return np.where(np.arange(len(labels)) < self.rate * len(labels), 0, labels)

    def slope(self, classes: int) -> float:
        return 1 - self.rate


class Ordinal(Dimension):
    """A setting that takes one of a few numbers in order."""

    type: Literal["ordinal"]
    values: tuple[float, ...]

    def range_in_words(self) -> str:
        return f"one of {self.values}"

    def corners(self) -> tuple[Value, ...]:
        return self.values[0], self.values[-1]

    def distribution(self) -> BaseDistribution:
        return IntDistribution(0, len(self.values) - 1)

    def encode(self, value: Value) -> Value:
        return self.values.index(float(value))

    def decode(self, value: Any) -> Value:
        return self.values[value]

    def axis(self) -> Axis:
        return Axis(self.values[0], self.values[-1])


def stripes(config: object) -> ImageSource:
    """Images of 8x8 pixels with one bright row, which is their class."""
    labels = np.arange(160) % 4
    images = np.zeros((160, 1, 8, 8), dtype=np.uint8)
    images[np.arange(160), 0, 2 * labels] = 255
    return ImageSource(images, labels, images[:40], labels[:40], tuple("abcd"))


def entropy(step: Mixed) -> Tensor:
    log_p = step.logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean()


@pytest.fixture
def extended() -> Iterator[None]:
    """The four are registered in this test alone."""
    with restored():
        register_noise_kind(FirstClass)
        defaults = {"augment": {"flip": False, "crop_padding": 0}, "optim": {"lr": 0.01}}
        register_dataset("stripes", stripes, DatasetFacts(defaults=defaults, shape=Shape(160, 0, 4, whole=True)))
        register_loss_term("entropy", entropy)
        register_dimension_type("ordinal", Ordinal)
        yield


STUDY: dict[str, Any] = {
    "fixed": {
        "data": {"name": "stripes"},
        "network": {"width": 4},
        "pretrain": {"epochs": 0},
        "warmup": {"epochs": 2},
        "mixmatch": {"rampup_epochs": 0, "terms": {"entropy": 0.5}},
        "train": {"samples": 1600, "batch_size": 16, "epoch": "dataset"},
    },
    "conditions": [{"kind": "first-class", "rate": 0.3}],
    "space": {"mixmatch/lambda_u": {"type": "ordinal", "values": [1, 5, 25]}},
    "baselines": {},
}


@pytest.mark.usefixtures("extended")
def test_a_study_searches_and_trains_with_them(write_study: WriteStudy, tmp_path: Path) -> None:
    plan: Plan = load_plan(write_study(**STUDY))
    (condition,) = plan.conditions
    assert condition.id == "first-class-0.3"
    assert plan.data[condition.id].classes == 4
    attempt = Search(plan, tmp_path / "journal", {}).ask()
    assert attempt is not None
    assert attempt.params["mixmatch/lambda_u"] in (1, 5, 25)

    session = Session.load(attempt.config)
    assert session.truth is not None
    assert session.truth.noise_rate == pytest.approx(0.3 * 3 / 4, abs=0.02)
    session.start()
    rows = list(session.epochs())
    assert rows[-1]["phase"] == "cotrain"
    assert math.isfinite(rows[-1]["oracle_test_acc"])

    plain = attempt.config.model_copy(update={"mixmatch": attempt.config.mixmatch.model_copy(update={"terms": {}})})
    other = Session.load(plain)
    other.start()
    without = list(other.epochs())
    assert [row["loss"] for row in without[:2]] == [row["loss"] for row in rows[:2]], "the warm-up has no such term"
    assert without[-1]["loss"] != rows[-1]["loss"]

    (setting,) = searched_settings({"space": plan.spec.model_dump(mode="json")["space"]})
    assert (setting.axis.low, setting.axis.high) == (1, 25)


def test_a_study_file_alone_names_no_code(write_study: WriteStudy) -> None:
    with pytest.raises(SpecError, match="type 'ordinal' is unknown; allowed: float, int, categorical"):
        load_plan(write_study(**STUDY))
    for settings, message in (
        ({"data": {"name": "stripes"}}, "data/name: unknown data set"),
        ({"noise": {"kind": "first-class"}}, "noise: kind 'first-class' is unknown"),
        ({"mixmatch": {"terms": {"entropy": 1}}}, "unknown loss term; allowed: none is registered"),
    ):
        with pytest.raises(ValueError, match=message):
            train_config(settings)
