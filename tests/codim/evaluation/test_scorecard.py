"""evaluation.json and its table, by trainings and by hand-made parts."""

import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData, Truth, load_data
from codim.evaluation.observer import Observer
from codim.evaluation.predict import predict
from codim.evaluation.scorecard import scorecard, scorecard_table, write_scorecard
from codim.evaluation.scores import classification_scores, fit_scores
from codim.models.network import Network
from codim.training.state import TrainState
from tests.support.runs import train

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]
Trained = tuple[TrainConfig, TrainingData, Truth, Augmenter, TrainState]


@pytest.fixture
def trained(tiny: Tiny) -> Trained:
    config, data = tiny()
    _, truth = load_data(config.data, config.noise)
    _, state = train(config, data)
    return config, data, truth, Augmenter.fit(config.augment, data.images), state


def card_of(
    trained: Trained,
    averaged: list[Network] | None = None,
    truth: Truth | None = None,
    data: TrainingData | None = None,
) -> dict[str, Any]:
    _, own_data, own_truth, augmenter, state = trained
    logits = predict(state.networks, own_data.images, augmenter)
    return scorecard(data or own_data, truth or own_truth, state.networks, logits, state.divisions, augmenter, averaged)


def printed(card: dict[str, Any]) -> str:
    """The table, its line breaks taken out."""
    file = io.StringIO()
    Console(file=file, width=200).print(scorecard_table(card))
    return " ".join(file.getvalue().split())


def test_it_agrees_with_the_observer(trained: Trained) -> None:
    _, data, truth, augmenter, state = trained
    card = card_of(trained)
    assert state.evaluation is not None
    seen = Observer(data, truth, augmenter).measure(state.networks, state.evaluation, state.divisions)
    models, division = card["models"], card["division"].values()
    assert list(models) == ["ensemble", "network_a", "network_b"]
    found = [models[name]["test"]["accuracy"] for name in models]
    assert found == [seen.oracle_test_acc, seen.oracle_test_acc_a, seen.oracle_test_acc_b]
    assert models["ensemble"]["test"]["top5"] == seen.oracle_test_top5
    assert models["ensemble"]["test"]["ece"] == seen.oracle_test_ece
    assert models["ensemble"]["fit"]["memorised"] == seen.oracle_memorised
    for name in ("auc", "precision", "recall"):
        assert sum(own[name] for own in division) / 2 == pytest.approx(getattr(seen, f"oracle_split_{name}"))
    assert min(min(own["per_class"]["recall"]) for own in division) == seen.oracle_split_recall_min
    assert card["images"] == {"train": 192, "test": 100, "second_test": 0, "validation": 48}
    assert card["noise_rate"] == truth.noise_rate


def test_validation_is_judged_by_given_labels(trained: Trained) -> None:
    _, data, truth, augmenter, state = trained
    given = data.labels[data.val_index]
    assert not torch.equal(given, truth.labels[data.val_index])
    found = card_of(trained)["models"]["network_b"]["validation"]
    logits = predict(state.networks, data.images, augmenter)
    assert repr(found) == repr(classification_scores(logits[1, data.val_index], given))  # NaN differs from itself
    assert [sum(row) for row in found["confusion"]] == given.bincount(minlength=10).tolist()


def test_average_is_the_ensemble_of_the_averaged_networks(trained: Trained) -> None:
    """The networks change places and one is trained no more: another pair, evaluated by the same rule."""
    config, data, truth, augmenter, state = trained
    averaged = [TrainState.create(config, data).networks[0], state.networks[0]]
    models = card_of(trained, averaged)["models"]
    assert list(models) == ["ensemble", "network_a", "network_b", "average"]
    logits = predict(averaged, truth.test_images, augmenter).mean(0)
    assert models["average"]["test"]["accuracy"] == classification_scores(logits, truth.test_labels)["accuracy"]
    train = data.train_index
    predicted = predict(averaged, data.images, augmenter).mean(0)[train].argmax(1)
    assert truth.clean is not None
    assert models["average"]["fit"] == fit_scores(
        predicted, data.labels[train], truth.labels[train], truth.clean[train]
    )
    assert models["ensemble"]["test"] != models["average"]["test"]


def test_a_second_test_part(trained: Trained) -> None:
    truth = trained[2]
    other = replace(truth, second_test_images=255 - truth.test_images[:40], second_test_labels=truth.test_labels[:40])
    card = card_of(trained, truth=other)
    assert card["images"]["second_test"] == 40
    logits = predict(trained[4].networks, 255 - truth.test_images[:40], trained[3]).mean(0)
    expected = classification_scores(logits, truth.test_labels[:40])
    assert card["models"]["ensemble"]["second_test"]["accuracy"] == expected["accuracy"]
    assert "second test" in printed(card)


def test_nobody_knows_the_truth_and_there_is_no_test_part(trained: Trained, tmp_path: Path) -> None:
    truth = trained[2]
    unknown = replace(
        truth,
        clean=None,
        labels=torch.full_like(truth.labels, -1),
        noise_rate=math.nan,
        test_images=truth.test_images[:0],
        test_labels=truth.test_labels[:0],
    )
    card = card_of(trained, truth=unknown)
    write_scorecard(tmp_path / "evaluation.json", card)
    read = json.loads((tmp_path / "evaluation.json").read_text())
    assert read["noise_rate"] is None
    for model in read["models"].values():
        assert (model["test"], model["second_test"], model["fit"]) == (None, None, None)
        assert model["validation"]["accuracy"] is not None
    assert read["division"]["network_a"]["auc"] is None
    assert read["division"]["network_a"]["per_class"]["recall"] == [None] * 10
    assert read["division"]["network_a"]["labelled_share"] == card["division"]["network_a"]["labelled_share"]
    text = printed(card)
    assert "validation" in text
    assert not any(word in text for word in ("nan", "memorised", "ECE", "AUC", "wrong"))


def test_no_division_and_no_validation_part(tiny: Tiny) -> None:
    config, data = tiny({"method": "ce", "data": {"val_fraction": 0}})
    _, truth = load_data(config.data, config.noise)
    _, state = train(config, data)
    card = card_of((config, data, truth, Augmenter.fit(config.augment, data.images), state))
    assert card["division"] is None
    assert card["models"]["ensemble"]["validation"] is None
    assert "alidation" not in printed(card)


def test_the_file_reads_back_as_it_was(trained: Trained, tmp_path: Path) -> None:
    card = card_of(trained)
    write_scorecard(tmp_path / "evaluation.json", card)
    read = json.loads((tmp_path / "evaluation.json").read_text())
    assert read["classes"] == [str(k) for k in range(10)]
    bins = read["models"]["ensemble"]["test"]["reliability"]
    assert sum(bins["samples"]) == 100
    assert all((n == 0) == (conf is None) for n, conf in zip(bins["samples"], bins["confidence"], strict=True))
    assert read["models"]["ensemble"]["test"]["confusion"] == card["models"]["ensemble"]["test"]["confusion"]
    assert [len(row) for row in read["models"]["network_a"]["test"]["confusion"]] == [10] * 10


def test_the_table_in_percent(trained: Trained) -> None:
    card = card_of(trained)
    ensemble = card["models"]["ensemble"]
    ensemble["test"] |= {"accuracy": 0.8765, "top5": math.nan, "per_class_accuracy": [0.9, math.nan, 0.4321]}
    for model in card["models"].values():
        model["test"]["top5"] = math.nan
    card["division"]["network_a"] |= {"labelled_share": 0.5, "labelled_noise": 0.1, "auc": 0.9}
    card["division"]["network_b"] |= {"labelled_share": 0.6, "labelled_noise": 0.3, "auc": 0.8}
    text = printed(card)
    assert "87.6" in text or "87.7" in text
    assert "43.2" in text
    assert "top-5" not in text
    assert "55.0% of the training part, 20.0% of it wrong" in text
    assert "AUC 0.850" in text
