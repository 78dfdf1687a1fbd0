"""Contours over pairs of settings: scikit-learn's partial dependence, and the planted optimum."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.inspection import partial_dependence

from analysis.figures import contours, style
from analysis.frames.load import Trials
from analysis.frames.settings import searched_settings
from tests.support import synthetic
from tests.support.drawing import drawn
from tests.support.searches import WHERE, searched
from tests.support.synthetic import NAN, SPEC, read


def test_a_surface_is_the_partial_dependence_of_its_model() -> None:
    settings = searched_settings(SPEC)
    temperature, lambda_u, kind = settings[0], settings[1], settings[4]
    rng = np.random.default_rng(0)
    known = rng.random((30, len(settings)))
    known[:8, 1], known[:, 4] = style.ZERO, known[:, 4].round()
    known[3, 2] = NAN  # a setting that one trial does not have
    model = ExtraTreesRegressor(20, random_state=0).fit(known, known[:, 0] * known[:, 1] + known[:, 4])
    for pair in ((temperature, lambda_u), (lambda_u, kind)):
        i, j = settings.index(pair[0]), settings.index(pair[1])
        mine = contours.surface(model, known, pair, settings)
        gaps = [np.flatnonzero(np.isnan(mine).all(axis=axis)) for axis in (0, 1)]
        assert [list(gap) for gap in gaps] == [[1] if setting is lambda_u else [] for setting in pair]
        x, y = (np.array([style.ZERO, *np.arange(1 / 32, 1, 1 / 16)]) if s is lambda_u else None for s in pair)
        x = np.arange(1 / 32, 1, 1 / 16) if x is None else x
        y = np.array([0.0, 1.0]) if y is None else y
        theirs = partial_dependence(model, known, [i, j], custom_values={i: x, j: y}, method="brute")["average"][0]
        shown = np.delete(np.delete(mine, gaps[0], axis=1), gaps[1], axis=0)
        assert shown == pytest.approx(theirs.T)


def test_contours_show_where_the_planted_optimum_lies(tmp_path: Path) -> None:
    info = contours.compute(read(tmp_path, searched(40)))
    x, _ = info.pairs[0]
    assert x.path == "contrastive/temperature"
    assert len(info.pairs) == 2
    along = np.nanmean(info.surfaces[WHERE, 0], axis=0)
    best = float(style.places((np.array([along.argmax()]) + 0.5) / contours.CELLS, x)[0])
    assert best == pytest.approx(synthetic.CONDITIONS[WHERE][3], rel=0.5)
    assert 0.4 < info.explained[WHERE] < 1
    assert info.frame.loc[info.frame["chosen"], "rank"].max() == 1


def test_contours_of_noise_explain_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    trials = [replace(one, objective=float(rng.random())) for one in searched(60)]
    info = contours.compute(read(tmp_path, trials))
    assert info.explained[WHERE] < 0.1
    assert np.nanstd(info.surfaces[WHERE, 0]) < 0.1


def test_contours_name_the_conditions_with_too_few_trials(study: Trials) -> None:
    keep = (study.trials["condition"] == WHERE) | (study.trials["number"] < 6)
    info = contours.compute(replace(study, trials=study.trials[keep]))
    assert set(info.explained) == set(info.frame["condition"]) == {WHERE}
    assert len(info.missing) == 3
    assert info.missing[0] in contours.caption(info)
    assert len(drawn(contours, info).axes) == 2 + 1


def test_contours_leave_out_a_setting_that_no_trial_has(tmp_path: Path) -> None:
    space = SPEC["space"] | {"never/searched": {"type": "float", "low": 0, "high": 1}}
    records = searched(20)
    for one in records[::2]:
        del one.params["contrastive/weight"]
    info = contours.compute(read(tmp_path, records, spec=SPEC | {"space": space}))
    assert "never/searched" not in {setting.path for pair in info.pairs for setting in pair}
    drawn(contours, info)
