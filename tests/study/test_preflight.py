"""The forecast reaches every stage, whatever the method."""

import math
from typing import Any

import pytest

from codim.config import train_config
from study.preflight import measure_speed


@pytest.mark.parametrize(
    "settings", [{"method": "cssl", "divide": {"labels_per_class": 90}}, {"method": "dividemix"}, {"method": "ce"}]
)
def test_every_stage_is_timed(settings: dict[str, Any]) -> None:
    speed = measure_speed(train_config(settings | {"network": {"width": 2}}), 1)
    assert all(math.isfinite(seconds) and seconds > 0 for seconds in speed)
