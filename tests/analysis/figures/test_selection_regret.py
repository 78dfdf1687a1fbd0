"""What choosing by the objective costs, beside what the objective resolves."""

import math
from pathlib import Path

import pytest

from analysis.figures import selection_regret
from tests.support import synthetic
from tests.support.synthetic import NAN, read, record


def test_regret_stands_beside_what_the_objective_resolves(tmp_path: Path) -> None:
    lucky = record("symmetric-0.5", 1, 0.90, objective=0.50)
    better = record("symmetric-0.5", 2, 0.95, objective=0.49)
    worse = record("symmetric-0.5", 3, 0.40, objective=0.30)
    flat = record("symmetric-0.8", 1, 0.5, oracle_noise_rate=0.89)
    info = selection_regret.compute(read(tmp_path, [lucky, better, worse, flat]))
    first, second = info.frame.to_dict("records")
    assert first["regret"] == pytest.approx(0.05)
    assert first["resolution"] == pytest.approx(2 * math.sqrt(0.25 / synthetic.IMAGES) / 0.5)
    assert (first["ties"], first["searched"], first["tied"]) == (2, 3, pytest.approx(2 / 3))
    assert second["regret"] == 0
    assert math.isnan(second["resolution"])
    assert math.isnan(second["tied"])
    assert "symmetric-0.8: cannot rank" in selection_regret.caption(info)


def test_regret_is_unknown_without_test_accuracy(tmp_path: Path) -> None:
    info = selection_regret.compute(read(tmp_path, [record("symmetric-0.5", 1, NAN, objective=0.5)]))
    assert info.frame["regret"].isna().all()
    assert info.frame["regret"].dtype == float
