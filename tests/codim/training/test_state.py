"""The images of an epoch: all, or a part balanced over the given classes and drawn anew; weight averages; the
history of losses."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.division.divide import divide, scale_losses
from codim.training.checkpoint import InputSpec, load_checkpoint, save_checkpoint
from codim.training.loop import run_epochs
from codim.training.state import TrainState, draw_active
from tests.support.runs import same_weights, timeless, train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]


def part(images: int) -> dict[str, Any]:
    return {
        "divide": {"loss_history": 1},
        "train": {"epoch_images": images},
        "noise": {"kind": "asymmetric", "rate": 1.0, "map": "digits"},
    }


def test_the_part_is_balanced_as_far_as_the_classes_reach(tiny: Tiny) -> None:
    config, data = tiny(part(100))
    counts = data.labels[data.train_index].bincount(minlength=10)
    assert counts.min() < 10 < counts.max()
    generator = torch.Generator().manual_seed(0)
    active = draw_active(config, data, generator)
    drawn = data.labels[active].bincount(minlength=10)
    assert len(active) == len(active.unique()) == 100
    assert torch.isin(active, data.train_index).all()
    full = counts <= drawn
    assert torch.equal(drawn[full], counts[full])
    assert drawn[~full].max() - drawn[~full].min() <= 1
    assert not torch.equal(active, draw_active(config, data, generator))


def test_all_images_take_part_without_a_draw(tiny: Tiny) -> None:
    config, data = tiny()
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert torch.equal(draw_active(config, data, generator), data.train_index)
    assert torch.equal(generator.get_state(), before)


def test_an_epoch_divides_and_trains_its_part_only(tiny: Tiny) -> None:
    config, data = tiny(part(100))
    state = TrainState.create(config, data)
    active = state.active
    for row in run_epochs(config, data, state):
        if row.phase == "cotrain":
            assert all(torch.equal(division.index, active) for division in state.divisions)
        assert row.phase == "pretrain" or not torch.equal(state.active, active)
        active = state.active
        if state.evaluation is not None:
            assert torch.equal(state.evaluation.images, active)
    assert row.samples >= config.train.samples


def test_a_part_and_an_average_go_on_bit_for_bit(tiny: Tiny, tmp_path: Path) -> None:
    over = part(100) | {"average": {"kind": "ema"}}
    config, data = tiny(over)
    spec = InputSpec.of(data, Augmenter.fit(config.augment, data.images))
    state = TrainState.create(config, data)
    rows = []
    for row in run_epochs(config, data, state):
        rows.append(row)
        save_checkpoint(tmp_path / f"{len(rows)}.pt", config, state, spec)
    assert state.average is not None
    for done in range(1, len(rows)):
        rest, resumed = train(config, data, load_checkpoint(tmp_path / f"{done}.pt", config, data))
        assert timeless(rest) == timeless(rows[done:])
        assert same_weights(state, resumed)
        assert resumed.average is not None
        for saved, found in zip(state.average.state_dict(), resumed.average.state_dict(), strict=True):
            assert all(torch.equal(saved[name], found[name]) for name in saved)


def test_an_average_leaves_the_training_as_it_is(tiny: Tiny) -> None:
    rows, state = train(*tiny())
    for kind in ("ema", "swa"):
        config, data = tiny({"average": {"kind": kind, "start": 0.5}})
        averaged_rows, averaged = train(config, data)
        assert timeless(rows) == timeless(averaged_rows)
        assert same_weights(state, averaged)
        assert averaged.average is not None
        counts = [int(model.n_averaged) for model in averaged.average.models]
        late = sum(row.samples >= (512 + config.train.samples) / 2 for row in rows if row.phase != "pretrain")
        steps = math.ceil(384 / 32) + sum(row.phase == "cotrain" for row in rows)
        assert counts == [late] * 2 if kind == "swa" else min(counts) >= steps


def test_losses_are_averaged_over_the_history(tiny: Tiny) -> None:
    """The first division reads the losses after both warm-up epochs, the second those after the last epoch of each."""
    config, data = tiny({"divide": {"loss_history": 2}})
    state = TrainState.create(config, data)
    after: list[torch.Tensor] = []
    divisions = []
    for row in run_epochs(config, data, state):
        if row.phase == "cotrain":
            divisions.append(state.divisions)
        if state.evaluation is not None:
            after.append(torch.stack([scale_losses(own) for own in state.evaluation.losses]))
    for k, made in enumerate(divisions[:2]):
        expected = divide((after[k] + after[k + 1]) / 2, data.train_index, data.labels[data.train_index], config.divide)
        for own, other in zip(made, expected, strict=True):
            assert torch.equal(own.clean_probability, other.clean_probability)
