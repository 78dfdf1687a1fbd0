"""What the best of many equal settings is ahead of the chosen one: luck, and no loss of the choice."""

import math
from pathlib import Path

import numpy as np
import pytest

from analysis.frames.load import Trials, load_trials
from analysis.page import sentences as summary
from analysis.statistics.confirmation import Spread, lucky_regret, seed_spreads
from study.results.records import TrialRecord
from tests.support import synthetic
from tests.support.synthetic import record

WHERE = "symmetric-0.2"


def again(setting: int, tests: list[float], condition: str = WHERE, **changes: str) -> list[TrialRecord]:
    """Confirmations of one setting."""
    named = {"setting": f"{WHERE}-{setting:04d}", "phase": "confirm", "objective": math.nan}
    return [
        record(condition, i, test, trial=f"{named['setting']}@{condition}-r{i}", **(named | changes))
        for i, test in enumerate(tests)
    ]


def read(path: Path, *trials: TrialRecord) -> Trials:
    return load_trials(synthetic.write(path, list(trials)))


def notes_on_regret(trials: Trials) -> list[str]:
    return [note for note in summary.cautions(trials) if "lost" in note or "in hindsight" in note]


def test_spread_is_pooled_within_settings_and_conditions(tmp_path: Path) -> None:
    trainings = [
        *again(1, [0.90, 0.92]),
        *again(2, [0.50, 0.52, 0.54]),
        *again(3, [0.10]),
        *again(4, [0.70], "symmetric-0.8"),
    ]
    failed = again(5, [0.1, 0.9], status="failed")
    found = seed_spreads(read(tmp_path, record(WHERE, 0, 0.9), *trainings, *failed))
    # Squares about the means: .01 ** 2 twice, and .02 ** 2 twice; 5 trainings of 2 settings.
    assert found == {WHERE: Spread(pytest.approx(math.sqrt(0.001 / 3)), 3)}


@pytest.mark.parametrize(("n", "freedom"), [(2, 4), (12, 6), (40, 6), (100, 40)])
def test_equal_settings_pass_what_luck_gives_one_time_in_twenty(n: int, freedom: int) -> None:
    rng = np.random.default_rng(1)
    tests = rng.normal(0.9, 0.01, (10_000, n))
    regret = tests.max(1) - tests[:, 0]
    deviations = rng.normal(0, 0.01, (10_000, freedom + 1)).std(1, ddof=1)
    luck = deviations * lucky_regret(n, Spread(1, freedom))
    assert (regret > luck).mean() == pytest.approx(0.05, abs=0.01)


def test_the_luck_of_the_best_is_no_loss(tmp_path: Path) -> None:
    """Forty equal settings with a seed's spread of a point."""
    tests = np.array([0.9, *np.random.default_rng(2).normal(0.9, 0.01, 39)])
    searched = [record(WHERE, i, float(test), objective=0.7 - 0.001 * i) for i, test in enumerate(tests)]
    assert tests.max() - tests[0] > summary.COARSE
    (unsure,) = notes_on_regret(read(tmp_path / "before", *searched))
    assert "cannot be told from luck without confirmations" in unsure
    confirmed = [*again(0, [0.89, 0.90, 0.91]), *again(1, [0.89, 0.90, 0.91])]
    assert notes_on_regret(read(tmp_path / "after", *searched, *confirmed)) == []


def test_a_loss_beyond_luck_is_said_with_its_luck(tmp_path: Path) -> None:
    searched = [record(WHERE, 0, 0.80, objective=0.8), record(WHERE, 1, 0.95, objective=0.7)]
    confirmed = again(0, [0.80, 0.81, 0.82, 0.81, 0.81])
    (told,) = notes_on_regret(read(tmp_path, *searched, *confirmed))
    assert "lost at most 15.0 points of test accuracy" in told
    luck = lucky_regret(2, Spread(math.sqrt(0.0002 / 4), 4))
    assert f"up to {100 * luck:.1f} points would be the luck of the best of 2 equal settings" in told
