"""Training from Python on images or embeddings and labels in memory: `codim.train`, and its result, which predicts and
audits."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import ArrayLike, NDArray

from codim.commands.settings_file import gpu_trains
from codim.config.auto import Counts, autos, fitted, resolved, timed
from codim.config.datasets import IN_MEMORY, VECTORS_IN_MEMORY
from codim.config.train_config import merge, train_config
from codim.data.arrays import as_samples, fitting, inputs
from codim.data.counts import side_of
from codim.data.load import TrainingData, Truth, train_val_split
from codim.evaluation.label_audit import Suspect, suspects
from codim.evaluation.predict import predict
from codim.finished import frame
from codim.runtime.device import give_back_memory, torch_device
from codim.runtime.progress_bar import progress
from codim.text.safe_text import printable
from codim.training.session import Row, Session
from codim.training.speed import measure_speed

WIDTH, HEIGHT = 480, 120
"""Size in pixels of the curve that a notebook shows."""
DATA_SETTINGS = ("cache_size", "val_fraction", "split_seed", "validation")
"""Settings of the section data that the arguments of `train` do not decide."""


def train(
    images: ArrayLike,
    labels: Sequence[Any] | NDArray[Any],
    *,
    method: str = "codim-sup",
    minutes: float | None = None,
    trusted: ArrayLike | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> "Training":
    """Train on images or embeddings in memory whose labels may be wrong; a progress bar is shown on stderr.

    Args:
        images: uint8, (N, H, W) or (N, H, W, C) with C = 1 or 3; copied. Large ones are resized as those of a folder
            are: the shorter side to `data/cache_size`, of which the central square is kept. Or embeddings, numbers
            (N, D), that an encoder made of images, text or sound.
        labels: (N,) given labels: whole numbers, strings or booleans.
        method: ce, dividemix, c2d, codim-self, codim-sup or cssl (docs/how-to/train.md).
        minutes: fit the budget into this time; by default it follows from the number of images (codim/config/auto.py).
        trusted: (N,) booleans, which labels somebody has checked: their samples are always in the labelled set, and
            neither the mixture nor the estimate of the noise counts them. None: none.
        settings: {section: {setting: value}}, as in a settings file, for all that no argument says. A share of the
            images, `data/val_fraction`, is held out, and judges the epochs by its given labels; with `data/validation`
            trusted, the trusted ones are.
        seed: seed of weights and order.

    Raises:
        ValueError: unusable images, labels or settings; names what is allowed.
        FloatingPointError: the loss became infinite.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> digits = load_digits()
        >>> trained = train(digits.images.astype(np.uint8) * 15, digits.target, settings={"train": {"samples": 9000}})
        >>> trained.predict(digits.images[:3].astype(np.uint8) * 15).shape
        (3,)
    """
    samples, (classes, numbers) = as_samples(images), _classes(labels)
    return trained(samples, classes, numbers, trusted, method, minutes, settings or {}, seed, shown=True)


def trained(
    samples: NDArray[np.uint8] | NDArray[np.float32],
    classes: NDArray[Any],
    numbers: NDArray[np.int64],
    trusted: ArrayLike | None,
    method: str,
    minutes: float | None,
    settings: Mapping[str, Any],
    seed: int,
    shown: bool,
) -> "Training":
    """Train as `train` does, on samples (N, ...) that `as_samples` made.

    Args:
        classes: (K,) names. numbers: (N,) given class of each sample. trusted: which of these were checked.
        shown: whether a progress bar is shown.
    """
    if len(samples) != len(numbers) or not len(samples):
        raise ValueError(f"images, labels: {len(samples)} and {len(numbers)}; allowed: as many of both, and some")
    if minutes is not None and not 0 < minutes < math.inf:
        raise ValueError(f"minutes: {minutes}; allowed: a number above 0")
    checked = _checked(trusted, len(samples))
    name = IN_MEMORY if samples.ndim == 4 else VECTORS_IN_MEMORY
    own = {"method": method, "data": {"name": name}, "train": {"seed": seed}}
    given = merge(_free(settings), own)
    given = given if minutes is None else timed(given)
    count, side = len(samples), side_of(samples.shape[1:])
    first = train_config(resolved(given, Counts(count, count, side, gpu_trains(given))))
    train_rows, val_rows = train_val_split(first.data, numbers, checked)
    counts = Counts(count, len(train_rows), side, gpu_trains(given))
    config, device = train_config(resolved(given, counts)), torch_device(first.train.device)
    arrays = (numbers, train_rows, val_rows, checked)
    y, train_index, val_index, known = (torch.from_numpy(part).to(device) for part in arrays)
    x, names = fitting(samples, config).to(device), tuple(map(str, classes.tolist()))
    data = TrainingData(x, y, train_index, val_index, names, known if checked.any() else None)
    session = Session(config, data)
    if minutes is not None:
        with progress("timing a few steps of each stage", shown=shown):
            pretrains = config.pretrain.epochs > 0 or "pretrain/epochs" in autos(given)
            speed = measure_speed(config, data, _unknown(data), pretrains, config.train.co_training)
        session.config = train_config(fitted(given, counts, speed, minutes))
    session.start()
    rows: list[Row] = []
    with progress("training", session.config.train.samples, "samples", shown) as meter:
        meter.done = lambda: session.state.drawn
        for row in session.epochs():
            rows.append(row)
            score = f", val {row['val_acc']:.3f}" if row["val_acc"] == row["val_acc"] else ""
            meter.description = f"after {row['phase']} epoch {row['epoch']}{score}"
    give_back_memory()
    return Training(session, classes, rows)


class Training:
    """A finished training: both networks, and what they make of the labels.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> digits = load_digits()
        >>> images = digits.images.astype(np.uint8) * 15
        >>> trained: Training = train(images, digits.target, method="ce", settings={"train": {"samples": 9000}})
        >>> suspicious = trained.audit()
        >>> trained.predict_proba(images[:3]).shape
        (3, 10)
        >>> trained.classes
        array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """

    def __init__(self, session: Session, classes: NDArray[Any], rows: list[Row]) -> None:
        """`rows`: one per epoch, in order."""
        self.session, self.classes, self.rows = session, classes, rows

    @property
    def epochs(self) -> Any:
        """Metrics of the training (`codim.metrics.EpochMetrics`), a data frame with a row per epoch."""
        names = [name for name in self.rows[0] if not name.startswith("oracle")]
        return frame(names, ([row[name] for name in names] for row in self.rows))

    def predict_proba(self, images: ArrayLike) -> NDArray[np.float32]:
        """Return the probability (M, K) of each class, in the order of `classes`, by both networks together."""
        known = self.session.data.images
        x = inputs(images, self.session.config, tuple(known.shape[1:])).to(known.device)
        logits = predict(self.session.state.networks, x, self.session.augmenter)
        found: NDArray[np.float32] = logits.mean(0).softmax(1).cpu().numpy()
        return found

    def predict(self, images: ArrayLike) -> NDArray[Any]:
        """Return the class (M,) of each image, as the labels name it."""
        found: NDArray[Any] = self.classes[self.predict_proba(images).argmax(1)]
        return found

    def audit(self) -> Any:
        """Return a data frame of the images whose given label the networks contradict, the most suspicious first;
        columns: the fields of `codim.evaluation.label_audit.Suspect`."""
        label = {printable(str(name)): name for name in self.classes.tolist()}
        rows = [asdict(row) for row in suspects(self.audit_table(), self.session.data)]
        for row in rows:
            row |= {name: label[row[name]] for name in ("given_label", "suggested_label")}
        return frame(Suspect.__annotations__, (row.values() for row in rows))

    def save(self, folder: str | Path) -> Path:
        """Write `checkpoint.pt`, which `python -m codim predict` and `export` read, `config.json`, `metrics.jsonl` and
        `label_audit.parquet`; return the folder."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.session.save(place / "checkpoint.pt")
        (place / "config.json").write_text(self.session.config.model_dump_json(indent=2), encoding="utf-8")
        known = [{name: None if value != value else value for name, value in row.items()} for row in self.rows]
        (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")
        pq.write_table(self.audit_table(), place / "label_audit.parquet")
        return place

    def audit_table(self) -> pa.Table:
        """Return the table of `codim.evaluation.label_audit.label_audit`, a row per sample in their order."""
        return self.session.label_audit(self.session.predict())

    def __repr__(self) -> str:
        data, accuracy = self.session.data, self.rows[-1]["val_acc"]
        held_out = f", accuracy on held-out given labels {accuracy:.1%}" if accuracy == accuracy else ""
        samples = "images" if len(data.images.shape) == 4 else "embeddings"
        return (
            f"{self.session.config.network.name} trained on {len(data.train_index):,} {samples} of {len(self.classes)} "
            f"classes, {len(self.rows)} epochs{held_out}"
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


def _free(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings that no argument decides. Raises ValueError."""
    if not isinstance(settings, Mapping) or not all(isinstance(own, Mapping) for own in settings.values()):
        raise ValueError("settings: must be {section: {setting: value}}; the method is an argument of its own")
    taken = [f"noise/{name}" for name in settings.get("noise", {})]
    taken += [f"data/{name}" for name in settings.get("data", {}) if name not in DATA_SETTINGS]
    taken += ["train/seed"] if "seed" in settings.get("train", {}) else []
    if taken:
        raise ValueError(f"settings: {taken[0]} follows from the arguments; allowed: any other setting")
    if settings.get("data", {}).get("validation") == "official":
        raise ValueError("settings: data/validation is 'official'; allowed: split, trusted")
    return settings


def _checked(trusted: ArrayLike | None, count: int) -> NDArray[np.bool_]:
    """Return which labels are trusted, (N,). Raises ValueError."""
    if trusted is None:
        return np.zeros(count, dtype=bool)
    marks = np.asarray(trusted)
    if marks.shape != (count,) or marks.dtype != bool:
        raise ValueError(f"trusted: shape {marks.shape}, type {marks.dtype}; allowed: None, or ({count},) booleans")
    return marks


def _classes(labels: Sequence[Any] | NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes, sorted, and the number of each label's class. Raises ValueError."""
    array = np.asarray(labels, dtype=None if hasattr(labels, "dtype") else object)
    if array.dtype == object:
        for kind in (str, (bool, np.bool_), (int, np.integer)):
            if all(isinstance(label, kind) for label in array.flat):
                array = np.array(array.tolist())
                break
    if array.ndim != 1 or array.dtype.kind not in "iuUb":
        raise ValueError(
            f"labels: shape {array.shape}, type {array.dtype}; allowed: (N,), all whole numbers, strings or booleans"
        )
    classes, numbers = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels: {len(classes)} class; allowed: two or more")
    return classes, numbers.astype(np.int64)


def _unknown(data: TrainingData) -> Truth:
    """Stand for true labels and test images, which nobody knows."""
    labels = torch.full_like(data.labels, -1)
    return Truth(labels, data.images[:0], labels[:0], float("nan"), np.empty((0, 0)))
