"""The forecast reaches every stage, whatever the method."""

import math
import time
from typing import Any

import pytest

from codim.config.train_config import train_config
from codim.data.load import load_data
from codim.evaluation.observer import Observer
from codim.metrics import OracleMetrics
from codim.training import speed as speed_of_machine
from study.preflight.speed import measure_speed


@pytest.mark.parametrize(
    "settings", [{"method": "cssl", "divide": {"labels_per_class": 90}}, {"method": "dividemix"}, {"method": "ce"}]
)
def test_every_stage_is_timed(settings: dict[str, Any]) -> None:
    speed = measure_speed(train_config(settings | {"network": {"width": 2}}), 1)
    assert all(math.isfinite(seconds) and seconds > 0 for seconds in speed)


@pytest.mark.parametrize(("longest", "training_images"), [(60.0, [56, 448]), (0.0, [56])])
def test_the_observer_is_timed_with_its_share_of_the_test_images(
    monkeypatch: pytest.MonkeyPatch, longest: float, training_images: list[int]
) -> None:
    """The timing trains on 56 of 64 images, then on 448 of 512 where that does not take too long."""
    monkeypatch.setattr(speed_of_machine, "LONGEST_SECONDS", longest)
    sizes = []

    measure = Observer.measure

    def slow(observer: Observer, *seen: Any) -> OracleMetrics:
        sizes.append(len(observer.truth.test_images))
        time.sleep(0.5)
        return measure(observer, *seen)

    monkeypatch.setattr(Observer, "measure", slow)
    config = train_config({"network": {"width": 2}})
    data, truth = load_data(config.data, config.noise)
    speed = measure_speed(config, 1)
    assert set(sizes) == {math.ceil(len(truth.test_images) * n / len(data.train_index)) for n in training_images}
    # A stage's epoch on so few images draws at most two batches.
    assert min(speed.warmup, speed.cotrain) >= 0.5 / max(training_images[-1], 2 * config.train.batch_size)
