"""Final evaluation of a training: evaluation.json, and a table of its main numbers.

    classes       names
    noise_rate    realised share of wrong labels in training and validation part
    images        number in train, test, second_test, validation
    models        ensemble, network_a, network_b, average (the ensemble of averaged weights, if enabled); each:
                  test, second_test, validation (against its *given* labels): see scores.classification_scores
                  fit: on the training part, see scores.fit_scores
    division      network_a, network_b: each one's last, from the start of the last epoch of co-training; see
                  scores.division_scores

Shares are in [0, 1]. null: no value, no such part, or true labels unknown.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE
from rich.table import Table
from torch import Tensor, nn

from codim.data.augment import Augmenter
from codim.data.load import TrainingData, Truth
from codim.data.stored import Images
from codim.division.divide import Division
from codim.evaluation.predict import predict
from codim.evaluation.scores import Scores, classification_scores, division_scores, fit_scores

_MODELS = {"ensemble": slice(0, 2), "network_a": slice(0, 1), "network_b": slice(1, 2), "average": slice(2, 4)}
"""Model -> the networks whose logits are averaged."""


def scorecard(
    data: TrainingData,
    truth: Truth,
    networks: Sequence[nn.Module],
    logits: Tensor,
    divisions: list[Division],
    augmenter: Augmenter,
    averaged: Sequence[nn.Module] | None = None,
) -> Scores:
    """Compute the content of evaluation.json, with NaN and None for null. Makes one pass over each test part, and one
    of the averaged networks over the training images.

    Args:
        logits: (2, N, K) of `networks` over all of data.images.
        divisions: empty without co-training.
        averaged: both networks with averaged weights (codim/training/weight_average.py).
    """
    evaluated = [*networks, *(averaged or [])]
    if averaged:
        logits = torch.cat([logits, predict(averaged, data.images, augmenter)])
    train, val = data.train_index, data.val_index
    given, true = data.labels[train], truth.labels[train]
    clean = None if truth.clean is None else truth.clean[train]

    def division(own: Division) -> Scores:
        right = None if truth.clean is None else truth.clean[own.index]
        return division_scores(own, data.labels[own.index], right, len(data.classes))

    parts = {
        "test": _test_part(evaluated, truth.test_images, truth.test_labels, augmenter),
        "second_test": _test_part(evaluated, truth.second_test_images, truth.second_test_labels, augmenter),
        "validation": (logits[:, val], data.labels[val]) if len(val) else None,
    }
    models: dict[str, Scores] = {}
    for model in list(_MODELS)[: 4 if averaged else 3]:
        chosen = _MODELS[model]
        models[model] = {
            name: None if part is None else classification_scores(part[0][chosen].mean(0), part[1])
            for name, part in parts.items()
        }
        predicted = logits[chosen].mean(0)[train].argmax(1)
        models[model]["fit"] = None if clean is None else fit_scores(predicted, given, true, clean)
    made = zip(("network_a", "network_b"), divisions, strict=False)
    return {
        "classes": list(data.classes),
        "noise_rate": truth.noise_rate,
        "images": {"train": len(train)} | {name: 0 if part is None else len(part[1]) for name, part in parts.items()},
        "models": models,
        "division": {name: division(own) for name, own in made} or None,
    }


def _test_part(
    networks: Sequence[nn.Module], images: Images | None, labels: Tensor | None, augmenter: Augmenter
) -> tuple[Tensor, Tensor] | None:
    if images is None or labels is None or not len(labels):
        return None
    return predict(networks, images, augmenter), labels


def write_scorecard(path: Path, card: Scores) -> None:
    path.write_text(json.dumps(_null(card), allow_nan=False) + "\n", encoding="utf-8")


def _null(value: Any) -> Any:
    """Replace NaN by None at any depth."""
    if isinstance(value, dict):
        return {key: _null(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_null(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


_COLUMNS = {
    "test": ("test", "accuracy"),
    "top-5": ("test", "top5"),
    "worst class": ("test", "worst"),
    "ECE": ("test", "ece"),
    "second test": ("second_test", "accuracy"),
    "its top-5": ("second_test", "top5"),
    "validation": ("validation", "accuracy"),
    "memorised": ("fit", "memorised"),
    "corrected": ("fit", "corrected"),
}


def scorecard_table(card: Scores) -> Table:
    """Format the scorecard in percent, one row per model; columns without a value are omitted."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), caption=_caption(card), caption_justify="left")
    table.add_column("%", no_wrap=True)
    cells = {title: [_percent(model, *where) for model in card["models"].values()] for title, where in _COLUMNS.items()}
    shown = {title: column for title, column in cells.items() if any(column)}
    for title in shown:
        table.add_column(title, justify="right")
    for name, *row in zip(card["models"], *shown.values(), strict=True):
        table.add_row(name.replace("_", " "), *row)
    return table


def _caption(card: Scores) -> str:
    words = ["Validation: against its given labels."] if card["images"]["validation"] else []
    if not math.isnan(card["noise_rate"]):
        words.append(f"Of all given labels {card['noise_rate']:.1%} are wrong.")
    if card["division"]:
        labelled, noise, auc = (
            sum(own[name] for own in card["division"].values()) / 2
            for name in ("labelled_share", "labelled_noise", "auc")
        )
        words.append(f"The labelled set holds {labelled:.1%} of the training part")
        words[-1] += "." if math.isnan(noise) else f", {noise:.1%} of it wrong."
        if not math.isnan(auc):
            words.append(f"Clean probability against truth: AUC {auc:.3f}.")
    return " ".join(words)


def _percent(model: Scores, part: str, name: str) -> str:
    """Format one score; empty if it has no value."""
    scores = model[part]
    if scores is None:
        return ""
    if name == "worst":
        value = min((v for v in scores["per_class_accuracy"] if not math.isnan(v)), default=math.nan)
    else:
        value = scores[name]
    return "" if math.isnan(value) else f"{100 * value:.1f}"
