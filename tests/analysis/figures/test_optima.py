"""Where the model of all trials expects the best values: a planted trend, a setting that does not matter, the room."""

from pathlib import Path

import numpy as np
import pytest

from analysis.figures import optima, style
from analysis.frames.load import NotApplicable, Trials
from tests.support import synthetic
from tests.support.drawing import drawn
from tests.support.synthetic import SPEC, read, record

LOW, MIDDLE, HIGH = "low_80", "median", "high_80"


def searched(path: Path, n: int, spec: dict[str, object] = SPEC) -> Trials:
    rng = np.random.default_rng(0)
    found = []
    for condition in synthetic.CONDITIONS:
        settings = [synthetic.sample(rng) for _ in range(n)]
        found += [record(condition, i, synthetic.accuracy(p, condition), params=p) for i, p in enumerate(settings)]
    return read(path, found, spec=spec)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> optima.Info:
    return optima.compute(searched(tmp_path_factory.mktemp("study"), 40))


def test_the_band_follows_the_planted_trend(info: optima.Info) -> None:
    rows = info.frame[(info.frame["setting"] == "contrastive/temperature") & (info.frame["noise_kind"] == "symmetric")]
    assert rows["noise_rate"].iloc[[0, -1]].tolist() == pytest.approx([0.18, 0.72])
    setting = next(setting for setting in info.settings if setting.path == "contrastive/temperature")
    low, middle, high = (style.places(rows[q].to_numpy(), setting) for q in (LOW, MIDDLE, HIGH))
    assert low[0] < 0.1 < high[0]
    assert low[-1] < 0.4 < high[-1]
    assert middle[-1] > 2 * middle[0]


def test_what_does_not_matter_has_a_wide_band(info: optima.Info) -> None:
    width = (info.frame[HIGH] - info.frame[LOW]).groupby(info.frame["setting"]).mean()
    assert width["divide/p_threshold"] > 0.5  # of .8 where nothing is known
    assert width["contrastive/temperature"] < 0.4


def test_more_trials_leave_less_room(info: optima.Info, tmp_path: Path) -> None:
    few = optima.compute(searched(tmp_path, 10)).room
    assert (info.room["low"] <= info.room["gain"]).all()
    assert (info.room["gain"] <= info.room["high"]).all()
    assert info.room["gain"].mean() < few["gain"].mean()


def test_the_picture_holds_trials_choices_and_bands(info: optima.Info) -> None:
    figure = drawn(optima, info)
    panels = {ax.get_title(loc="left"): ax for ax in figure.axes}
    assert set(panels) == {setting.path for setting in info.settings}
    assert "contrastive/kind" not in panels
    ax = panels["contrastive/temperature"]
    assert len(ax.lines[0].get_xdata()) + len(ax.lines[1].get_xdata()) == len(info.tried)
    assert len(ax.lines[1].get_xdata()) == len(synthetic.CONDITIONS)
    assert len(ax.collections) == 2 * 2  # two bands of two kinds of noise
    assert "symmetric-0.8: " in optima.caption(info)


def test_a_study_of_choices_has_no_best_values(tmp_path: Path) -> None:
    choices = {"contrastive/kind": {"type": "categorical", "choices": ["self", "sup"]}}
    with pytest.raises(NotApplicable, match="numeric"):
        optima.compute(searched(tmp_path, 12, SPEC | {"space": choices}))
