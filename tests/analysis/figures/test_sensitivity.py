"""The cost of a factor of two in a setting: by value, and by the model of the trials."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.figures import sensitivity
from analysis.figures.sensitivity import DRAWS
from analysis.frames.load import NotApplicable, Trials
from analysis.frames.settings import Setting, params
from analysis.statistics.surrogate import fit_model
from study.dimensions.base import Axis
from study.dimensions.types import space_of
from tests.support import synthetic
from tests.support.synthetic import NAN, SPEC, read, record

LOG, LINEAR = Setting("a/log", Axis(1, 100, log=True)), Setting("a/linear", Axis(0, 1))
WHOLE, ZERO = Setting("a/whole", Axis(1, 9, whole=True)), Setting("a/zero", Axis(1, 100, log=True, zero=True))


@pytest.mark.parametrize(
    ("setting", "value", "down", "up"),
    [
        (LOG, 10, 5, 20),
        (LOG, 60, 30, NAN),
        (LOG, 1, NAN, 2),
        (LINEAR, 0.5, 0.4, 0.6),
        (LINEAR, 0.05, NAN, 0.15),
        (WHOLE, 5, 4, 6),
        (WHOLE, 9, 8, NAN),
        (ZERO, 0, NAN, NAN),
        (Setting("a/log-whole", Axis(1, 9, log=True, whole=True)), 1, NAN, 2),
        (Setting("a/wide", Axis(1, 30, whole=True)), 5, 2, 8),
    ],
)
def test_a_setting_moves_within_its_range(setting: Setting, value: float, down: float, up: float) -> None:
    assert sensitivity.moved(setting, value, -1) == pytest.approx(down, nan_ok=True)
    assert sensitivity.moved(setting, value, 1) == pytest.approx(up, nan_ok=True)


def test_a_loss_is_that_of_the_model_of_the_trials(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, 40)
    tests = 0.9 - (values - 0.5) ** 2
    found = [
        record("symmetric-0.5", i, test, params={"divide/p_threshold": float(x)})
        for i, (x, test) in enumerate(zip(values, tests, strict=True))
    ]
    spec = SPEC | {"space": {"divide/p_threshold": {"type": "float", "low": 0, "high": 1}}}
    trials = read(tmp_path, found, spec=spec)
    info = sensitivity.compute(trials)
    rows = info.frame.set_index("direction")
    model = fit_model(trials)
    home = values[tests.argmax()]
    asked = [{"divide/p_threshold": x} for x in (home, home - 0.1, home + 0.1)]
    at = model.surrogate.mean(asked, model.tasks["symmetric-0.5"])
    assert list(rows.loc[[-1, 1], "moved"]) == pytest.approx([home - 0.1, home + 0.1])
    errors = rows.loc[[-1, 1], "standard_error"].to_numpy()
    assert list(rows.loc[[-1, 1], "loss"]) == pytest.approx(list(at[0] - at[1:]), abs=4 * errors.max() / DRAWS**0.5)
    assert (rows["loss"].between(0.003, 0.02)).all()
    assert (errors > 0).all()
    p = max(trial.objective for trial in found)
    # 10 classes, a realised rate of .45: the slope is .5.
    assert rows.loc[1, "resolution"] == pytest.approx(math.sqrt(p * (1 - p) / synthetic.IMAGES) / 0.5)
    assert set(rows["n"]) == {40}


def test_the_setting_that_matters_costs_more_than_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = [synthetic.sample(rng) for _ in range(80)]
    tests = [synthetic.accuracy(params, "symmetric-0.5") for params in drawn]
    found = [record("symmetric-0.5", i, t, params=p) for i, (t, p) in enumerate(zip(tests, drawn, strict=True))]
    frame = sensitivity.compute(read(tmp_path, found)).frame
    loss = frame.groupby("setting")["loss"].max()
    # Planted: a factor of two in temperature costs .25 * .3 ** 2 = .023.
    assert loss.idxmax() == "contrastive/temperature"
    assert loss.max() == pytest.approx(0.023, abs=0.01)
    assert set(loss.index) == set(SPEC["space"]) - {"contrastive/kind"}


def test_a_setting_that_is_off_stays_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = [synthetic.sample(rng) for _ in range(12)]
    drawn[0]["mixmatch/lambda_u"] = 0.0
    found = [record("symmetric-0.5", i, 0.9 - 0.01 * i, params=params) for i, params in enumerate(drawn)]
    frame = sensitivity.compute(read(tmp_path, found)).frame
    assert set(frame["setting"]) == {"contrastive/temperature", "contrastive/weight", "divide/p_threshold"}


def test_a_pruned_trial_is_fitted_at_most_as_the_worst_complete_one(study: Trials) -> None:
    trials = study.trials[study.trials["condition"] == "symmetric-0.5"]
    pruned, worst = trials["status"] == "pruned", trials.loc[trials["status"] == "complete", "objective"].min()
    searched = trials.loc[(trials["status"] == "complete") & (trials["baseline"] == ""), "objective"].min()
    assert worst < searched
    frames = [
        sensitivity.compute(
            replace(study, trials=trials.assign(objective=trials["objective"].mask(pruned, value)))
        ).frame
        for value in (0.99, searched)
    ]
    pd.testing.assert_frame_equal(*frames)
    assert set(frames[0]["n"]) == {18}


def test_choices_keep_the_type_of_the_study_file(tmp_path: Path) -> None:
    """From Parquet a choice among numbers comes back as 5.0, and a true one as text."""
    space: dict[str, Any] = {
        "a/n": {"type": "categorical", "choices": [1, 5]},
        "a/b": {"type": "categorical", "choices": [True, False]},
        "a/x": {"type": "float", "low": 0, "high": 1},
    }
    rng = np.random.default_rng(0)
    found = []
    for i in range(30):
        drawn = {"a/n": int(rng.choice([1, 5])), "a/b": bool(rng.random() < 0.5), "a/x": float(rng.uniform(0, 1))}
        found.append(record("symmetric-0.2", i, 0.5 + 0.2 * (drawn["a/n"] == 5) + 0.1 * drawn["a/b"], params=drawn))
    spec = SPEC | {"space": space}
    trials = read(tmp_path, found, spec=spec)
    assert params(spec, trials.trials) == [trial.params for trial in found]
    frame = sensitivity.compute(trials).frame
    assert set(frame["setting"]) == {"a/x"}
    assert frame["loss"].abs().max() < 0.02
    assert set(space_of({"space": space})) == set(space)


def test_conditions_that_cannot_rank_or_have_few_trials_are_named(study: Trials) -> None:
    frame = study.trials.assign(
        oracle_noise_rate=study.trials["oracle_noise_rate"].mask(study.trials["condition"] == "symmetric-0.8", 0.89)
    )
    frame = frame[(frame["condition"] != "symmetric-0.2") | (frame["number"] < 8)]
    info = sensitivity.compute(replace(study, trials=frame))
    assert set(info.frame["condition"]) == {"symmetric-0.5", "asymmetric-0.4"}
    few, flat = info.missing
    assert few == "symmetric-0.2: 10 finished searched trials are needed, it has 4."
    assert flat.startswith("symmetric-0.8: cannot rank")
    assert flat in sensitivity.caption(info)


def test_sensitivity_needs_a_number_among_the_settings(study: Trials) -> None:
    space = {"contrastive/kind": SPEC["space"]["contrastive/kind"]}
    with pytest.raises(NotApplicable, match="No setting with a numeric range"):
        sensitivity.compute(replace(study, spec=study.spec | {"space": space}))
