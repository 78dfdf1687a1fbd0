"""The stages in order and within the budget."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from codim.config.budget import milestones
from codim.config.train_config import TrainConfig, merge
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.training.loop import run_epochs
from codim.training.state import TrainState
from tests.support.runs import train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]


def test_phases_follow_each_other(tiny: Tiny) -> None:
    rows, state = train(*tiny())
    phases = [row.phase for row in rows]
    assert phases == ["pretrain"] * 2 + ["warmup"] * 2 + ["cotrain"] * (len(rows) - 4)
    assert len(rows) >= 6
    assert [row.epoch for row in rows] == list(range(len(rows)))
    assert state.epoch == len(rows)
    assert state.samples == rows[-1].samples


def test_rows_hold_what_their_phase_has(tiny: Tiny) -> None:
    rows, _ = train(*tiny())
    for row in rows:
        cotrain, pretrain = row.phase == "cotrain", row.phase == "pretrain"
        for name in ("loss_x", "loss_u", "loss_reg", "lambda_u", "labelled_fraction", "threshold", "separation"):
            assert math.isnan(getattr(row, name)) != cotrain, (row, name)
        assert math.isnan(row.loss_c) == (row.phase == "warmup")
        assert not pretrain or row.loss == row.loss_c
        assert (row.split_state == "none") != cotrain
        assert bool(row.loss_histogram) == cotrain
        for name in ("val_acc", "val_acc_a", "val_acc_b", "val_loss"):
            assert math.isnan(getattr(row, name)) == pretrain
        assert math.isfinite(row.loss)
        assert row.seconds > 0


def test_co_training_loss_is_the_sum_of_its_terms(tiny: Tiny) -> None:
    rows, _ = train(*tiny({"mixmatch": {"rampup_epochs": 0, "lambda_u": 5.0}, "contrastive": {"weight": 0.3}}))
    for row in rows[4:]:
        assert row.lambda_u == 5
        assert row.loss == pytest.approx(row.loss_x + 5 * row.loss_u + 0.3 * row.loss_c + row.loss_reg, rel=1e-4)


@pytest.mark.parametrize("budget", [897, 900, 960, 1_000, 1_411])
@pytest.mark.parametrize("epoch", ["labelled", "dataset"])
def test_samples_stay_within_one_step_of_the_budget(tiny: Tiny, budget: int, epoch: str) -> None:
    """A step of co-training draws a batch of each set."""
    rows, _ = train(*tiny({"train": {"samples": budget, "epoch": epoch}}))
    drawn = [row.samples for row in rows]
    assert drawn == sorted(set(drawn))
    assert budget <= drawn[-1] < budget + 2 * 32
    assert all(s < budget for s in drawn[:-1])


@pytest.mark.parametrize("budget", [896 + 1, 2_000])
def test_cross_entropy_warms_up_to_the_end_of_the_budget(tiny: Tiny, budget: int) -> None:
    rows, state = train(*tiny({"method": "ce", "train": {"samples": budget}}))
    assert {row.phase for row in rows} == {"warmup"}
    assert budget <= rows[-1].samples < budget + 32
    assert not state.divisions


def test_every_image_counted_is_drawn(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both networks draw as many as the metrics say; co-training takes two weak views of each image."""
    config, data = tiny({"method": "dividemix", "train": {"samples": 1_000}})
    seen = []
    weak = Augmenter.weak
    monkeypatch.setattr(Augmenter, "weak", lambda self, x, g: (seen.append(len(x)), weak(self, x, g))[1])
    rows, _ = train(config, data)
    drawn = {phase: max(r.samples for r in rows if r.phase == phase) for phase in ("warmup", "cotrain")}
    assert sum(seen) == 2 * drawn["warmup"] + 2 * 2 * (drawn["cotrain"] - drawn["warmup"])


def counts(data: TrainingData) -> tuple[int, int]:
    return len(data.images), len(data.train_index)


def test_milestones(tiny: Tiny) -> None:
    """240 images make 4 steps of 64 in pre-training; 192 training images make 6 steps of 32 in the warm-up."""
    config, data = tiny()
    assert milestones(config, *counts(data)) == (2 * 256, 2 * 256 + 2 * 192, 2 * 256 + 2 * 192 + len(data.train_index))


@pytest.mark.parametrize(
    ("settings", "needed", "told"),
    [
        ({"method": "codim-sup"}, 896, "pre-training ends after 512 samples, warm-up ends after 896 samples, ramp-up"),
        ({"method": "dividemix"}, 384, "too small: warm-up ends after 384 samples, ramp-up of lambda_u ends after 576"),
        ({"method": "cssl", "divide": {"labels_per_class": 2}}, 512, "after 512 samples, ramp-up of lambda_u"),
        ({"mixmatch": {"rampup_epochs": 0}}, 896, "warm-up ends after 896 samples; allowed"),
        ({"train": {"co_training": False}}, 512, "pre-training ends after 512 samples; allowed"),
    ],
    ids=str,
)
def test_a_budget_that_ends_before_the_last_stage_is_refused(
    tiny: Tiny, settings: dict[str, Any], needed: int, told: str
) -> None:
    def of(samples: int) -> tuple[TrainConfig, TrainingData]:
        return tiny(merge(settings, {"train": {"samples": samples}}))

    config, data = of(needed + 1)
    milestones(config, *counts(data))
    config, data = of(needed)
    with pytest.raises(
        ValueError, match=f"train/samples: {needed} is too small.*; allowed: more than {needed}$"
    ) as error:
        next(run_epochs(config, data, TrainState.create(config, data)))
    assert told in str(error.value)


def test_learning_rate_and_lambda_u_follow_the_samples(tiny: Tiny) -> None:
    config, data = tiny({"optim": {"schedule": "step", "step_at": 0.5, "lr": 0.01}, "mixmatch": {"rampup_epochs": 2}})
    marks = milestones(config, *counts(data))
    rows, _ = train(config, data)
    half = marks.pretrain + (config.train.samples - marks.pretrain) / 2
    for before, row in pairwise(rows[1:]):
        step = 32 if row.phase == "warmup" else 64
        last = row.samples - step
        assert row.learning_rate == pytest.approx(0.01 if last < half else 0.001)
        if row.phase == "cotrain":
            ramp = min((last - marks.warmup) / len(data.train_index) / 2, 1)
            assert row.lambda_u == pytest.approx(25 * ramp)
        assert before.samples < row.samples


@pytest.mark.parametrize(("section", "first_epoch"), [("pretrain", 0), ("optim", 2)])
def test_a_loss_that_is_not_finite_ends_the_training(tiny: Tiny, section: str, first_epoch: int) -> None:
    """In the stage where it happens."""
    config, data = tiny({section: {"lr": 1e30}})
    state = TrainState.create(config, data)
    with pytest.raises(FloatingPointError, match=r"loss became (nan|inf|-inf) in epoch"):
        train(config, data, state)
    assert state.epoch - first_epoch in (0, 1, 2)
    assert (state.pretraining is None) == (section == "optim")


def test_all_images_may_be_trained_on(tiny: Tiny) -> None:
    config, data = tiny({"data": {"val_fraction": 0}})
    rows, _ = train(config, data)
    assert len(data.val_index) == 0
    assert all(math.isnan(row.val_acc) and math.isnan(row.val_loss) for row in rows)


@pytest.mark.parametrize("noise", [{"kind": "symmetric", "rate": 1.0}, {"kind": "none"}])
@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_extreme_noise_and_thresholds_train(tiny: Tiny, noise: dict[str, Any], threshold: float) -> None:
    rows, _ = train(*tiny({"noise": noise, "divide": {"p_threshold": threshold}}))
    assert math.isfinite(rows[-1].loss)
    assert 0 < rows[-1].labelled_fraction < 1
