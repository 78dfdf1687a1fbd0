"""The model of all trials: against its own equations, and on trials whose truth is known."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from botorch.exceptions.errors import ModelFittingError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from study.dimensions.base import OFF, Dimension
from study.dimensions.categorical import CategoricalDimension
from study.dimensions.ranges import FloatDimension, IntDimension
from study.surrogate.process import COLLAPSED, FITTED, MOST, UNIT, Surrogate, fit
from study.surrogate.task import Known, Task

SPACE: dict[str, Dimension] = {
    "a/x": FloatDimension(type="float", low=0, high=1),
    "a/y": FloatDimension(type="float", low=1, high=100, log=True, zero=True),
}
TASKS = {
    "clean": Task("symmetric", 0.2, 0.8, 300),
    "noisy": Task("symmetric", 0.6, 0.4, 300),
    "flat": Task("symmetric", 0.98, 0.02, 300),
    "other": Task("asymmetric", 0.4, 0.2, 300),
}


def trials(n: int, seed: int = 0, conditions: Sequence[str] = ("clean", "noisy", "other"), error: float = 0.01) -> Any:
    """The best x is .3 without noise and .7 at rate .6 of symmetric noise, .5 elsewhere; y does not matter."""
    rng, found = np.random.default_rng(seed), []
    for i in range(n):
        name = conditions[i % len(conditions)]
        x, y = rng.random(), 100 ** rng.random() * (rng.random() > 0.1)
        accuracy = 0.9 - 0.5 * (x - best(name)) ** 2
        shown = 0.1 + TASKS[name].slope * accuracy + error * rng.normal()
        found.append(Known(name, {"a/x": x, "a/y": y}, shown))
    return found


def best(condition: str) -> float:
    return {"clean": 0.3, "noisy": 0.7}.get(condition, 0.5)


def model_of(known: Sequence[Known], like: Surrogate | None = None) -> Surrogate:
    model = fit(SPACE, TASKS, known, like)
    assert model
    return model


@pytest.mark.parametrize(
    ("dimension", "value", "expected"),
    [
        (SPACE["a/x"], 0.25, [0.25]),
        (SPACE["a/y"], 10.0, [0.5]),
        (SPACE["a/y"], 0.0, [OFF]),
        (SPACE["a/y"], None, [0.5]),
        (IntDimension(type="int", low=2, high=6), 3, [0.25]),
        (CategoricalDimension(type="categorical", choices=("s", "t", 3)), "t", [0, 1, 0]),
        (CategoricalDimension(type="categorical", choices=(True, False)), None, [0.5, 0.5]),
    ],
)
def test_coordinates(dimension: Dimension, value: Any, expected: list[float]) -> None:
    assert dimension.coordinates(value) == pytest.approx(expected)


def test_the_posterior_is_that_of_its_equations() -> None:
    """Kernel, targets and errors written out, with the hyper-parameters that were learnt."""
    known = trials(12)
    model = model_of(known)
    shared, own, constant = model.gp.covar_module.kernels
    factor = model.gp.likelihood.noise_covar.factor.item()
    mean = model.gp.mean_module.constant.item()

    def matern(one: Any, other: Any, lengths: NDArray[np.float64]) -> float:
        r = math.sqrt(5 * sum(((a - b) / length) ** 2 for a, b, length in zip(one, other, lengths, strict=True)))
        return (1 + r + r * r / 3) * math.exp(-r)

    def kernel(one: Any, other: Any) -> float:
        (x, task, name), (x2, task2, name2) = one, other
        found = shared.outputscale.item() * matern(x, x2, shared.base_kernel.lengthscale.detach().numpy()[0])
        settings, along, _ = own.base_kernel.kernels
        if task.kind == task2.kind:
            rates = math.exp(-((task.rate - task2.rate) ** 2) / 2 / along.lengthscale.item() ** 2)
            found += own.outputscale.item() * rates * matern(x, x2, settings.lengthscale.detach().numpy()[0])
        return float(found + constant.outputscale.item() * (name == name2))

    def point(setting: Any, task: Task, name: Any) -> Any:
        return [u for path, own in SPACE.items() for u in own.coordinates(setting[path])], task, name

    rows = [point(trial.setting, TASKS[trial.condition], trial.condition) for trial in known]
    targets, errors = [], []
    for trial in known:
        slope = TASKS[trial.condition].slope
        middle = float(np.median([other.objective for other in known if other.condition == trial.condition]))
        targets.append(max((trial.objective - middle) / slope, -COLLAPSED) / UNIT)
        errors.append(factor * middle * (1 - middle) / 300 / slope**2 / UNIT**2)
    covariance = np.array([[kernel(one, other) for other in rows] for one in rows]) + np.diag(errors)
    weights = np.linalg.solve(covariance, np.array(targets) - mean)
    asked = [{"a/x": 0.1, "a/y": 3.0}, {"a/x": 0.8, "a/y": 0.0}]
    found = model.mean(asked, TASKS["noisy"]) / UNIT
    for setting, value in zip(asked, found, strict=True):
        across = [kernel(point(setting, TASKS["noisy"], None), row) for row in rows]
        assert value == pytest.approx(mean + np.dot(across, weights), abs=1e-6)


def test_draws_vary_around_the_mean() -> None:
    model, asked = model_of(trials(30)), [{"a/x": x, "a/y": 10.0} for x in (0.1, 0.3, 0.9)]
    drawn = model.draws(asked, [TASKS["clean"], TASKS["noisy"]], 4_000)
    assert drawn.shape == (4_000, 2, 3)
    assert drawn[:, 1].mean(0) == pytest.approx(model.mean(asked, TASKS["noisy"]), abs=2e-3)
    assert np.array_equal(drawn, model.draws(asked, [TASKS["clean"], TASKS["noisy"]], 4_000))


def test_it_finds_the_best_value_of_each_condition() -> None:
    """From 12 trials a condition, each with an error of 2.5 points of true accuracy where labels are noisier."""
    grid = [{"a/x": x, "a/y": 10.0} for x in np.linspace(0, 1, 51)]
    found = {"clean": [], "noisy": []}  # type: dict[str, list[float]]
    lucky = []
    for seed in range(6):
        known = trials(24, seed, ("clean", "noisy"))
        model = model_of(known)
        for name, places in found.items():
            places.append(float(grid[int(model.mean(grid, TASKS[name]).argmax())]["a/x"]))
        own = [trial for trial in known if trial.condition == "noisy"]
        lucky.append(float(max(own, key=lambda trial: trial.objective).setting["a/x"]))
    for name, places in found.items():
        assert np.abs(np.array(places) - best(name)).mean() < 0.1
    assert np.abs(np.array(found["noisy"]) - 0.7).mean() < np.abs(np.array(lucky) - 0.7).mean()


def test_what_cannot_rank_says_nothing() -> None:
    known = trials(12, conditions=("clean", "noisy"))
    beside = [*known, *(Known("flat", trial.setting, 0.9) for trial in known), known[0]._replace(objective=math.nan)]
    asked = [trial.setting for trial in known]
    assert np.array_equal(model_of(beside).mean(asked, TASKS["clean"]), model_of(known).mean(asked, TASKS["clean"]))
    assert fit(SPACE, TASKS, [trial for trial in beside if trial.condition == "flat"]) is None


def test_trials_of_another_kind_of_noise_are_believed_only_where_they_agree() -> None:
    """Two kinds whose best values lie at opposite ends: what is known of one does not spoil the other."""

    def study(kind: str) -> Surrogate:
        tasks = {"one": Task("symmetric", 0.4, 0.6, 300), "two": Task(kind, 0.4, 0.6, 300)}
        rng, known = np.random.default_rng(0), []
        for i in range(60):
            x = rng.random()
            accuracy = 0.9 - 0.5 * (x - (0.1, 0.9)[i % 2]) ** 2
            known.append(Known(("one", "two")[i % 2], {"a/x": x, "a/y": 10.0}, 0.6 * accuracy + 0.003 * rng.normal()))
        model = fit(SPACE, tasks, known)
        assert model
        return model

    grid = [{"a/x": x, "a/y": 10.0} for x in np.linspace(0, 1, 21)]
    values = study("asymmetric").mean(grid, Task("symmetric", 0.4, 0.6))
    assert grid[int(values.argmax())]["a/x"] <= 0.25
    assert values[0] - values[-1] > 0.2


def test_hyper_parameters_are_taken_over() -> None:
    first = model_of(trials(20))
    more = trials(40)
    taken, learnt = model_of(more, first), model_of(more)
    one, other, new = (own.gp.covar_module.state_dict() for own in (first, taken, learnt))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert taken.gp.likelihood.noise_covar.factor == first.gp.likelihood.noise_covar.factor
    assert not all(torch.equal(value, new[name]) for name, value in one.items())


def test_many_trials_are_thinned_for_the_hyper_parameters_alone() -> None:
    known = trials(FITTED + 60)
    model = model_of(known)
    assert len(model.gp.train_targets) == len(known)
    assert len(model_of(trials(MOST + 200), model).gp.train_targets) == MOST


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*TASKS]),
            st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1),
            st.sampled_from([0.0, 0.1, 1.0, math.nan]) | st.floats(0, 1),
        ),
        min_size=1,
        max_size=12,
    )
)
@example(
    [*[("clean", 0.0, 0.0)] * 4, ("clean", 1.0, 0.0), ("noisy", 0.0, 0.0), ("noisy", 0.0, 0.1), ("noisy", 0.5, 1.0)]
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_trials_values_are_finite(drawn: list[tuple[str, float, float]]) -> None:
    """Equal objectives, repeated settings, a single trial, accuracies of 0 and 1."""
    known = [Known(name, {"a/x": x, "a/y": 0.0}, objective) for name, x, objective in drawn]
    model = fit(SPACE, TASKS, known)
    usable = [t for t in known if t.condition != "flat" and math.isfinite(t.objective)]
    assert (model is None) == (not usable)
    if model:
        asked = [trial.setting for trial in known]
        assert np.isfinite(model.mean(asked, TASKS["flat"])).all()
        assert np.isfinite(model.draws(asked, [*TASKS.values()], 3)).all()


def test_a_fit_that_fails_leaves_the_model_at_its_priors(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ModelFittingError("no luck")

    monkeypatch.setattr("study.surrogate.process.fit_gpytorch_mll", fails)
    known = trials(30, conditions=("clean",))
    found = model_of(known).mean([{"a/x": x, "a/y": 10.0} for x in (0.3, 0.95)], TASKS["clean"])
    assert found[0] > found[1]
