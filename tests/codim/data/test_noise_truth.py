"""Whatever the kind of noise: the truth behind the given labels cannot reach the training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codim.config.train_config import TrainConfig
from codim.data import load as datasets
from codim.data.augment import Augmenter
from codim.data.image_source import ImageSource
from codim.data.load import TrainingData, load_data
from codim.evaluation.observer import Observer
from tests.support.runs import same_weights, timeless, train


@pytest.mark.parametrize(
    "noise",
    [
        {"kind": "none"},
        {"kind": "symmetric", "rate": 0.5},
        {"kind": "asymmetric", "rate": 0.4, "map": "digits"},
        {"kind": "pairflip", "rate": 0.4},
        {"kind": "instance", "rate": 0.4},
        {"kind": "openset", "rate": 0.5, "open_share": 0.5, "source": "cifar100"},
        {"kind": "file"},
    ],
    ids=lambda noise: noise["kind"],
)
def test_once_the_labels_are_given_no_kind_of_noise_lets_the_truth_in(
    noise: dict[str, Any],
    tiny: Callable[..., tuple[TrainConfig, TrainingData]],
    few_digits: ImageSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second time the first draw comes from a file, and the truth that the data set knows is garbage."""
    rng = np.random.default_rng(0)
    monkeypatch.setitem(datasets.DATASETS, "cifar100", lambda _: replace(few_digits, images=255 - few_digits.images))
    path = tmp_path / "given.npz"
    if noise["kind"] == "file":
        np.savez(path, noisy_label=rng.permutation(few_digits.labels), clean_label=few_digits.labels)
        noise = {"kind": "file", "path": str(path), "key": "noisy_label"}
    config, data = tiny({"noise": noise})
    rows, state = train(config, data)

    garbage = replace(
        few_digits,
        images=data.images.numpy(),
        labels=rng.permutation(few_digits.labels),
        test_images=255 - few_digits.test_images,
        test_labels=rng.permutation(few_digits.test_labels),
    )
    monkeypatch.setitem(datasets.DATASETS, "digits", lambda _: garbage)
    np.savez(path, noisy_label=data.labels.numpy())
    same, again = tiny({"noise": {"kind": "file", "path": str(path)}})
    _, truth = load_data(same.data, same.noise)
    assert not np.array_equal(truth.labels.numpy(), few_digits.labels)
    observer = Observer(again, truth, Augmenter.fit(same.augment, again.images))
    rows_garbage, state_garbage = train(same, again, observer=observer)
    assert timeless(rows) == timeless(rows_garbage)
    assert same_weights(state, state_garbage)
