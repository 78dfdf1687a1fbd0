"""The forecast reaches every stage, whatever the method."""

import math
import time
from typing import Any

import pytest

from codim.config import train_config
from codim.datasets import load_data
from codim.evaluate import Observer
from study.speed import measure_speed


@pytest.mark.parametrize(
    "settings", [{"method": "cssl", "divide": {"labels_per_class": 90}}, {"method": "dividemix"}, {"method": "ce"}]
)
def test_every_stage_is_timed(settings: dict[str, Any]) -> None:
    speed = measure_speed(train_config(settings | {"network": {"width": 2}}), 1)
    assert all(math.isfinite(seconds) and seconds > 0 for seconds in speed)


def test_the_observer_is_timed_with_its_share_of_the_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timing trains on 448 of 512 images."""
    sizes = []

    def slow(observer: Observer, *_: Any) -> None:
        sizes.append(len(observer.truth.test_images))
        time.sleep(0.5)

    monkeypatch.setattr(Observer, "measure", slow)
    config = train_config({"network": {"width": 2}})
    data, truth = load_data(config.data, config.noise)
    speed = measure_speed(config, 1)
    assert set(sizes) == {math.ceil(len(truth.test_images) * 448 / len(data.train_index))}
    assert min(speed.warmup, speed.cotrain) >= 0.5 / 448
