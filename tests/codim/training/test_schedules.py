"""The course of the learning rate and of lambda_u over a training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codim.config.optim import OptimConfig
from codim.training.schedules import cosine, learning_rate, ramp_up


def test_learning_rate_constant_and_step() -> None:
    constant = OptimConfig(lr=0.3, schedule="constant")
    assert {learning_rate(constant, p) for p in (0, 0.4, 0.5, 1)} == {0.3}
    steps = OptimConfig(lr=0.3, schedule="step", step_at=0.5, step_factor=0.1)
    assert [learning_rate(steps, p) for p in (0, 0.49, 0.5, 1)] == pytest.approx([0.3, 0.3, 0.03, 0.03])


def test_learning_rate_cosine() -> None:
    config = OptimConfig(lr=0.4, schedule="cosine")
    expected = [0.4, 0.4 * (2 + 2**0.5) / 4, 0.2, 0.0, 0.0]
    assert [learning_rate(config, p) for p in (0, 0.25, 0.5, 1, 1.2)] == pytest.approx(expected)


def test_learning_rate_linear_after_a_warm_up() -> None:
    config = OptimConfig(lr=0.4, schedule="linear", warmup=0.2)
    expected = [0.0, 0.2, 0.4, 0.2, 0.0, 0.0]
    assert [learning_rate(config, p) for p in (0, 0.1, 0.2, 0.6, 1, 1.1)] == pytest.approx(expected)


@given(warmup=st.floats(0.01, 0.9), p=st.floats(0, 1))
@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "linear"])
def test_a_warm_up_precedes_every_schedule(schedule: str, warmup: float, p: float) -> None:
    config = OptimConfig.model_validate({"lr": 1.0, "schedule": schedule, "warmup": warmup, "step_at": 0.95})
    assert 0 <= learning_rate(config, p) <= 1
    assert learning_rate(config, warmup) == pytest.approx(1)
    assert learning_rate(config, warmup / 2) == pytest.approx(0.5)


@given(lr=st.floats(1e-6, 10), p=st.floats(0, 1), q=st.floats(0, 1))
def test_cosine_falls(lr: float, p: float, q: float) -> None:
    assert cosine(lr, max(p, q)) <= cosine(lr, min(p, q)) <= lr


@given(epochs=st.floats(-5, 40), length=st.floats(0.1, 20))
def test_ramp_up_is_linear_between_0_and_1(epochs: float, length: float) -> None:
    assert ramp_up(epochs, length) == pytest.approx(min(max(epochs / length, 0), 1))
    assert ramp_up(epochs, length) <= ramp_up(epochs + 1, length)


def test_ramp_up_of_no_length() -> None:
    assert ramp_up(0, 0) == 1
