"""What training may depend on, and what it may not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig
from codim.data import load as datasets
from codim.data.augment import Augmenter
from codim.data.image_source import ImageSource
from codim.data.load import TrainingData, load_data
from codim.evaluation.observer import Observer
from codim.models.network import Network
from codim.training.loop import run_epochs
from codim.training.pretrain import PretrainState, pretrain_epochs
from codim.training.state import TrainState
from tests.support.runs import same_weights, timeless, train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]
METHODS_TO_TRAIN = list(METHODS)


def test_two_trainings_are_the_same_and_other_seeds_are_not(tiny: Tiny) -> None:
    (rows, state), (again, state_again) = train(*tiny()), train(*tiny())
    assert timeless(rows) == timeless(again)
    assert same_weights(state, state_again)
    other, state_other = train(*tiny({"train": {"seed": 1}}))
    assert timeless(other)[:2] == timeless(rows)[:2], "stage 0 has its own seed"
    assert not same_weights(state, state_other)


@pytest.mark.parametrize("method", METHODS_TO_TRAIN)
def test_true_labels_and_test_images_cannot_reach_the_training(
    method: str, tiny: Tiny, few_digits: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given labels from a file; true labels and test part are garbage the second time, and an observer looks on."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "given.npy", rng.permutation(few_digits.labels))
    over: dict[str, Any] = {"method": method, "noise": {"kind": "file", "path": str(tmp_path / "given.npy")}}
    if method == "cssl":
        over["divide"] = {"labels_per_class": 5}
    rows, state = train(*tiny(over))

    garbage = replace(
        few_digits,
        labels=rng.permutation(few_digits.labels),
        test_images=255 - few_digits.test_images,
        test_labels=rng.permutation(few_digits.test_labels),
    )
    monkeypatch.setitem(datasets.DATASETS, "digits", lambda config: garbage)
    config, data = tiny(over)
    _, truth = load_data(config.data, config.noise)
    assert not np.array_equal(truth.labels.numpy(), few_digits.labels)
    rows_garbage, state_garbage = train(
        config, data, observer=Observer(data, truth, Augmenter.fit(config.augment, data.images))
    )
    assert timeless(rows) == timeless(rows_garbage)
    assert same_weights(state, state_garbage)


def test_labels_of_the_validation_part_cannot_reach_the_training(tiny: Tiny) -> None:
    config, data = tiny()
    own_rows, state = train(config, data)
    labels = data.labels.clone()
    labels[data.val_index] = (labels[data.val_index] + 1) % 10
    rows, state_other = train(config, replace(data, labels=labels))
    assert same_weights(state, state_other)
    assert rows[-1].val_acc != own_rows[-1].val_acc


def test_pretrained_weights_continue_bit_for_bit(tiny: Tiny) -> None:
    config, data = tiny()
    rows, state = train(config, data)
    stage = PretrainState.create(config.pretrain, config.network, data.images, len(data.classes))
    for _ in pretrain_epochs(config.pretrain, data.images, Augmenter.fit(config.augment, data.images), stage):
        pass
    shared = stage.result()
    before = {name: value.clone() for name, value in shared.items()}
    later, state_later = train(config, data, TrainState.create(config, data, shared))
    assert timeless(later) == timeless(rows[2:])
    assert same_weights(state, state_later)
    assert all(torch.equal(value, before[name]) for name, value in shared.items()), "trained in the shared weights"


@pytest.mark.parametrize("change", ["other_width", "extra", "lost"])
def test_pretrained_weights_of_another_network_are_refused(tiny: Tiny, change: str) -> None:
    config, data = tiny()
    other = tiny({"network": {"width": 8}})[0] if change == "other_width" else config
    weights = PretrainState.create(other.pretrain, other.network, data.images, 10).result()
    if change == "extra":
        weights["encoder.more"] = torch.zeros(1)
    if change == "lost":
        weights.pop("projector.0.weight")
    with pytest.raises(ValueError, match="another network"):
        TrainState.create(config, data, weights)


def test_stage_0_does_not_see_the_noise(tiny: Tiny) -> None:
    """One encoder for all noise settings and both networks; each network has its own classifier."""
    found = []
    for noise in ({"kind": "none"}, {"kind": "symmetric", "rate": 0.9}, {"kind": "pairflip", "rate": 0.4}):
        config, data = tiny({"noise": noise})
        state = TrainState.create(config, data)
        epochs = run_epochs(config, data, state)
        while next(epochs).epoch < config.pretrain.epochs - 1:
            pass
        found.append([{k: v.clone() for k, v in net.state_dict().items()} for net in state.networks])
    reference = found[0][0]
    for nets in found:
        for net in nets:
            assert all(torch.equal(net[k], v) for k, v in reference.items() if not k.startswith("classifier."))
        assert not torch.equal(nets[0]["classifier.weight"], nets[1]["classifier.weight"])


@pytest.mark.parametrize("method", ["dividemix", "codim-self"])
def test_networks_differ_after_the_warm_up(tiny: Tiny, method: str) -> None:
    config, data = tiny({"method": method})
    state = TrainState.create(config, data)
    for row in run_epochs(config, data, state):
        if row.phase == "warmup":
            break
    a, b = state.networks
    assert all(not torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True) if p.ndim > 1) or (
        method == "codim-self" and not torch.equal(a.classifier.weight, b.classifier.weight)
    )
    assert not torch.equal(a.encoder[0].weight, b.encoder[0].weight)  # type: ignore[index,union-attr]


def test_each_network_learns_from_its_peers_division(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mark the divisions: A calls the first half of the training part clean, B the second."""
    config, data = tiny({"method": "dividemix"})
    n = len(data.train_index)
    first = torch.arange(n) < n // 2

    def fixed(scaled: torch.Tensor, index: torch.Tensor, *_: Any) -> Any:
        from codim.division.divide import Division

        return [Division(index, labelled.float(), labelled, 0.5, 1.0, "ok") for labelled in (first, ~first)]

    seen: dict[int, set[int]] = {}

    def record(net: Network, peer: Network, batch: Any, *rest: Any) -> Any:
        k = 0 if net is state.networks[0] else 1
        seen.setdefault(k, set()).update(int(i) for i in batch.x.flatten(1).float().mean(1).mul(64).round())
        assert peer is state.networks[1 - k]
        return original(net, peer, batch, *rest)

    from codim.training import loop as module

    original = module.cssl_losses
    monkeypatch.setattr(module, "divide", fixed)
    monkeypatch.setattr(module, "cssl_losses", record)
    images = torch.zeros_like(data.images)
    images[data.train_index[first]] = 200
    images += torch.randint(0, 50, images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    state = TrainState.create(config, data)
    for row in run_epochs(config, replace(data, images=images), state):
        if row.phase == "cotrain":
            break
    assert max(seen[0]) < 100 * 64, "A must be trained with what B calls clean: the dark second half"
    assert min(seen[1]) > 100 * 64
