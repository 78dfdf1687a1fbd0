"""The crowd of a study: which trials are judged together."""

import numpy as np
import pytest

from codim.noise.transition import Labels
from study.monitor.crowd import Crowd
from study.plan.plan import Plan, load_plan
from study.results.predictions import SCALE, Predictions
from study.surrogate.consensus import FEWEST, consensus
from tests.support.studies import WriteStudy

WHERE = "symmetric-0.5"
TRIALS = [f"{WHERE}-{number:04d}" for number in range(FEWEST + 2)]


@pytest.fixture
def plan(write_study: WriteStudy) -> Plan:
    return load_plan(write_study())


def predictions(seed: int, labels: Labels) -> Predictions:
    rng = np.random.default_rng(seed)
    right = np.where(rng.random(len(labels)) < 0.8, labels, rng.integers(10, size=len(labels)))
    return Predictions((np.eye(10)[right] * SCALE).astype(np.uint8), labels)


def test_in_whatever_order_they_ended(plan: Plan) -> None:
    labels = np.random.default_rng(0).integers(10, size=50)
    found = []
    for order in (TRIALS, TRIALS[::-1]):
        crowd = Crowd(plan)
        assert crowd.consensus(WHERE) == {}
        for trial in order:
            crowd.add(WHERE, trial, predictions(int(trial[-1]), labels))
        found.append(crowd.consensus(WHERE))
    assert found[0] == found[1]
    slope = plan.conditions[0].noise.slope(10)
    expected = consensus([predictions(i, labels).probability / SCALE for i in range(len(TRIALS))], labels, slope)
    assert [found[0][trial] for trial in TRIALS] == list(zip(*(part.tolist() for part in expected), strict=True))
    assert Crowd(plan).consensus("symmetric-0.8") == {}


@pytest.mark.parametrize("images", [50, 60])
def test_after_images_were_added_the_trials_from_before_are_left_out(plan: Plan, images: int) -> None:
    rng, crowd = np.random.default_rng(0), Crowd(plan)
    for trial in TRIALS[:2]:
        crowd.add(WHERE, trial, predictions(0, rng.integers(10, size=50)))
    now = rng.integers(10, size=images)
    for trial in TRIALS[2:]:
        assert crowd.consensus(WHERE) == {}
        crowd.add(WHERE, trial, predictions(int(trial[-1]), now))
    assert list(crowd.consensus(WHERE)) == TRIALS[2:]


def test_of_many_predictions_every_second_image_is_used(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(0).integers(10, size=50)
    monkeypatch.setattr("study.monitor.crowd.MOST", len(TRIALS) * 25 * 10)
    whole, half = Crowd(plan), Crowd(plan)
    for trial in TRIALS:
        own = predictions(int(trial[-1]), labels)
        whole.add(WHERE, trial, own)
        half.add(WHERE, trial, Predictions(own.probability[::2], labels[::2]))
    assert whole.consensus(WHERE) == half.consensus(WHERE) != {}
