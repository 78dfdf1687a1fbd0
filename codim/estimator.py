"""Training from Python on images and labels in memory: `codim.train`, and its result, which predicts and audits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import ArrayLike, NDArray

from codim.commands.settings_file import gpu_trains
from codim.config.auto import Counts, autos, fitted, resolved, timed
from codim.config.train_config import merge, train_config
from codim.data.load import TrainingData, Truth
from codim.data.splits import stratified_split
from codim.evaluation.label_audit import Suspect, label_audit, suspects
from codim.evaluation.predict import predict
from codim.runtime.device import torch_device
from codim.runtime.progress_bar import progress
from codim.training.session import Row, Session
from codim.training.speed import measure_speed

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 480, 120
"""Size in pixels of the curve that a notebook shows."""


def train(
    images: ArrayLike,
    labels: Sequence[Any] | NDArray[Any],
    *,
    method: str = "codim-sup",
    minutes: float | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> "Training":
    """Train on images in memory whose labels may be wrong; a progress bar is shown on stderr.

    Args:
        images: uint8, (N, H, W) or (N, H, W, C) with C = 1 or 3.
        labels: (N,) given labels, numbers or strings.
        method: ce, dividemix, c2d, codim-self or codim-sup (README).
        minutes: fit the budget into this time; by default the images are trained on for 120 passes.
        settings: {section: {setting: value}}, as in a settings file. A share of the images, `data/val_fraction`, is
            held out, and judges the epochs by its given labels.
        seed: seed of weights and order.

    Raises:
        ValueError: unusable images, labels or settings.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> digits = load_digits()
        >>> trained = train(digits.images.astype(np.uint8) * 15, digits.target, settings={"train": {"samples": 9000}})
        >>> trained.predict(digits.images[:3].astype(np.uint8) * 15).shape
        (3,)
    """
    pixels, classes, numbers = _channels_first(images), *_classes(labels)
    if len(pixels) != len(numbers):
        raise ValueError(f"images, labels: {len(pixels)} and {len(numbers)}; allowed: as many of both")
    given = merge(settings or {}, {"method": method, "data": {"name": "arrays"}, "train": {"seed": seed}})
    given = given if minutes is None else timed(given)
    count, side = len(pixels), min(pixels.shape[2:])
    first = train_config(resolved(given, Counts(count, count, side, gpu_trains(given))))
    train_rows, val_rows = stratified_split(numbers, first.data.val_fraction, first.data.split_seed)
    counts = Counts(count, len(train_rows), side, gpu_trains(given))
    config, device = train_config(resolved(given, counts)), torch_device(first.train.device)
    x, y, train_index, val_index = (
        torch.from_numpy(part).to(device) for part in (pixels, numbers, train_rows, val_rows)
    )
    data = TrainingData(x, y, train_index, val_index, tuple(map(str, classes.tolist())))
    session = Session(config, data)
    if minutes is not None:
        with progress("timing a few steps of each stage"):
            pretrains = config.pretrain.epochs > 0 or "pretrain/epochs" in autos(given)
            speed = measure_speed(config, data, _unknown(data), pretrains, config.train.co_training)
        session.config = train_config(fitted(given, counts, speed, minutes))
    session.start()
    rows: list[Row] = []
    with progress("training", session.config.train.samples, "samples") as meter:
        meter.done = lambda: session.state.drawn
        for row in session.epochs():
            rows.append(row)
            meter.description = f"after {row['phase']} epoch {row['epoch']}, val {row['val_acc']:.3f}"
    return Training(session, classes, rows)


class Training:
    """A finished training: both networks, and what they make of the labels."""

    def __init__(self, session: Session, classes: NDArray[Any], rows: list[Row]) -> None:
        """`rows`: one per epoch, in order."""
        self.session, self.classes, self.rows = session, classes, rows

    @property
    def epochs(self) -> "pd.DataFrame":
        """Metrics of the training (`codim.metrics.EpochMetrics`), a row per epoch."""
        return _frame([{name: row[name] for name in row if not name.startswith("oracle")} for row in self.rows])

    def predict_proba(self, images: ArrayLike) -> NDArray[np.float32]:
        """Return the probability (M, K) of each class, in the order of `classes`, by both networks together."""
        pixels, wanted = _channels_first(images), self.session.data.images.shape[1:]
        if pixels.shape[1:] != wanted:
            raise ValueError(f"images: {pixels.shape[1:]} (C, H, W); allowed: {tuple(wanted)}, as in training")
        inputs = torch.from_numpy(pixels).to(self.session.data.images.device)
        logits = predict(self.session.state.networks, inputs, self.session.augmenter)
        found: NDArray[np.float32] = logits.mean(0).softmax(1).cpu().numpy()
        return found

    def predict(self, images: ArrayLike) -> NDArray[Any]:
        """Return the class (M,) of each image, as the labels name it."""
        found: NDArray[Any] = self.classes[self.predict_proba(images).argmax(1)]
        return found

    def audit(self) -> "pd.DataFrame":
        """Return the images whose given label the networks contradict, the most suspicious first; columns: the fields
        of `codim.evaluation.label_audit.Suspect`."""
        rows = suspects(self._audit_table(), self.session.data)
        return _frame([asdict(row) for row in rows] or dict.fromkeys(Suspect.__annotations__, ()))

    def save(self, folder: str | Path) -> Path:
        """Write `checkpoint.pt`, which `python -m codim predict` and `export` read, `config.json`, `metrics.jsonl` and
        `label_audit.parquet`; return the folder."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.session.save(place / "checkpoint.pt")
        (place / "config.json").write_text(self.session.config.model_dump_json(indent=2), encoding="utf-8")
        known = [{name: None if value != value else value for name, value in row.items()} for row in self.rows]
        (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")
        pq.write_table(self._audit_table(), place / "label_audit.parquet")
        return place

    def _audit_table(self) -> pa.Table:
        return label_audit(self.session.data, self.session.predict(), self.session.config.divide)

    def __repr__(self) -> str:
        config, last = self.session.config, self.rows[-1]
        return (
            f"{config.network.name} trained on {len(self.session.data.train_index):,} images of {len(self.classes)} "
            f"classes, {len(self.rows)} epochs, accuracy on held-out given labels {last['val_acc']:.1%}"
        )

    def _repr_html_(self) -> str:
        """Show the held-out accuracy over the epochs, where it was measured."""
        values = [row["val_acc"] for row in self.rows if row["val_acc"] == row["val_acc"]]
        step = WIDTH / max(len(values) - 1, 1)
        points = " ".join(f"{i * step:.1f},{HEIGHT * (1 - value):.1f}" for i, value in enumerate(values))
        return (
            f'<p>{self!r}</p><svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="accuracy on held-out given '
            f'labels over the epochs, from 0 to 100 %"><rect width="{WIDTH}" height="{HEIGHT}" fill="none" '
            f'stroke="#b8b8b8"/><polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="2"/></svg>'
        )


def _frame(rows: Any) -> "pd.DataFrame":
    table = pa.table(rows) if isinstance(rows, dict) else pa.Table.from_pylist(rows)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _channels_first(images: ArrayLike) -> NDArray[np.uint8]:
    """Return images as (N, C, H, W). Raises ValueError."""
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise ValueError(f"images: values of type {array.dtype}; allowed: uint8, from 0 to 255")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or not len(array):
        raise ValueError(f"images: an array of shape {np.shape(images)}; allowed: (N, H, W), (N, H, W, 1 or 3)")
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2))


def _classes(labels: Sequence[Any] | NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes, sorted, and the number of each label's class. Raises ValueError."""
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iuUSb":
        raise ValueError(f"labels: an array of shape {array.shape} of {array.dtype}; allowed: (N,) numbers or strings")
    classes, numbers = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels: {len(classes)} class; allowed: two or more")
    return classes, numbers.astype(np.int64)


def _unknown(data: TrainingData) -> Truth:
    """Stand for true labels and test images, which nobody knows."""
    labels = torch.full_like(data.labels, -1)
    return Truth(labels, data.images[:0], labels[:0], float("nan"), np.empty((0, 0)))
