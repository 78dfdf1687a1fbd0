"""Files of embeddings, and their labels, parts and ids, without torch.

A file is one of

    .npy        the embeddings (N, D), which stay on disk and are memory-mapped; their labels in `data/labels`
    .npz        arrays `embeddings` (N, D), `labels` (N,), and optionally `split`, `ids` and `trusted` (N,)
    .parquet    columns `embedding` (a list of D numbers), `label`, and optionally `split`, `id` and `trusted`

in whose names an s at the end does not count. `data/labels` is a .csv or .parquet table with the columns `label`,
optionally `split`, `id` and `trusted` (yes or no: whether somebody has checked the label), or a .npy of labels, one for
each embedding in the same order; it takes precedence over labels in the file. Nothing in a file is executed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codim.data.own_files import in_order
from codim.data.vector_files import SUFFIXES, mapped, names_in, npz_array, plain_name, require_suffix
from codim.text.label_table import read_columns
from codim.text.parts import PARTS, Part, part_of
from codim.text.safe_text import class_name, printable, shortened
from codim.text.yes_no import NO, YES, yes

Texts = NDArray[np.str_]
Rows = NDArray[np.int64]


class EmbeddingLabels(NamedTuple):
    """Everything about a file of embeddings but the embeddings."""

    classes: tuple[str, ...]
    """Names of the training part's labels; numerically sorted if all are whole numbers."""
    labels: Rows
    """Number of each embedding's class, (N,)."""
    rows: dict[Part, Rows]
    """Positions of each part's embeddings in the file."""
    ids: Texts | None
    """Id of each embedding, (N,), if there are any."""
    trusted: NDArray[np.bool_]
    """Whether somebody has checked each label, (N,)."""


def is_embedding_file(path: Path) -> bool:
    """Whether the name is that of a file of embeddings."""
    return path.suffix.lower() in SUFFIXES


def read_labels(path: Path, labels: Path | None) -> EmbeddingLabels:
    """Read the labels of the embeddings in `path`, from the file `labels` if it is given.

    Raises:
        ValueError: a file cannot be read, labels are missing or do not fit the embeddings, there are fewer than two
            classes, a part has a class that the training part lacks, an id is in two parts, or the ids of the two files
            differ.
    """
    beside = _columns(path, ("label", "split", "id", "trusted"))
    place = path
    columns = beside
    if labels is not None:
        place, columns = labels, _label_columns(labels)
        _require_same_order(path, beside.get("id"), labels, columns.get("id"))
        columns = {name: beside[name] for name in ("id", "split", "trusted") if name in beside} | columns
    if "label" not in columns:
        held = f" (found: {names_in(place)})" if place.suffix.lower() in (".npz", ".parquet") else ""
        raise ValueError(
            f"{printable(place)} holds no labels{held}; give data/labels, a .csv or .parquet table with the column "
            "label, a row for each embedding"
        )
    given = columns["label"]
    for name, values in columns.items():
        if len(values) != len(given):
            raise ValueError(f"{printable(place)}: {len(given)} labels, but {len(values)} values of {name}")
    if (empty := np.flatnonzero(given == "")).size:
        raise ValueError(f"{printable(place)}, row {empty[0] + 1}: label is empty")
    part_rows = _rows_by_part(place, columns.get("split"), len(given))
    _require_one_part(place, columns.get("id"), part_rows)
    trusted = _trusted(place, columns.get("trusted", np.full(len(given), "")))
    return EmbeddingLabels(*_classes(place, given, part_rows), part_rows, columns.get("id"), trusted)


def read_ids(path: Path) -> Texts | None:
    """Return the ids (N,) in a file of embeddings, if it has any. Raises ValueError."""
    return _columns(path, ("id",)).get("id")


def _columns(path: Path, names: tuple[str, ...]) -> dict[str, Texts]:
    """Read columns of text beside the embeddings, those that are there."""
    require_suffix(path)
    if path.suffix.lower() == ".npz":
        found = {name: npz_array(path, name) for name in names}
        return {name: _texts(path, name, array) for name, array in found.items() if array is not None}
    if path.suffix.lower() == ".parquet":
        optional = [*names, *(f"{name}s" for name in names)]
        return _singular(path, read_columns(path, (), optional))
    return {}


def _label_columns(path: Path) -> dict[str, Texts]:
    if path.suffix.lower() == ".npy":
        return {"label": _texts(path, "label", mapped(path))}
    return _singular(path, read_columns(path, (), ("label", "labels", "split", "id", "ids", "trusted")))


def _singular(path: Path, columns: Mapping[str, list[str]]) -> dict[str, Texts]:
    named = {plain_name(name): np.array(values, dtype=str) for name, values in columns.items()}
    if len(named) < len(columns):
        raise ValueError(f"{printable(path)}: two of the columns {', '.join(columns)} are the same; allowed: one")
    return named


def _texts(path: Path, name: str, array: NDArray[Any]) -> Texts:
    """Return (N,) whole numbers, booleans or text as text."""
    if array.ndim != 1 or array.dtype.kind not in "iubU":
        raise ValueError(
            f"{printable(path)}: {name} of shape {array.shape} and type {array.dtype}; allowed: (N,), whole numbers or "
            "text"
        )
    values, place = np.unique(array, return_inverse=True)
    return np.asarray(np.array([str(value).strip() for value in values.tolist()])[place])


def _require_same_order(path: Path, own: Texts | None, labels: Path, given: Texts | None) -> None:
    if own is None or given is None:
        return
    if len(own) != len(given):
        raise ValueError(f"{printable(labels)} has {len(given)} rows, {printable(path)} {len(own)} embeddings")
    if (differ := np.flatnonzero(own != given)).size:
        row = int(differ[0])
        raise ValueError(
            f"{printable(labels)}, row {row + 1}: id {shortened(given[row])!r}, but {printable(path)} has "
            f"{shortened(own[row])!r} there ({differ.size} differ); allowed: the same ids in the same order"
        )


def _rows_by_part(place: Path, split: Texts | None, count: int) -> dict[Part, Rows]:
    if split is None:
        return {"train": np.arange(count), "val": np.arange(0), "test": np.arange(0)}
    words, which = np.unique(split, return_inverse=True)
    parts = [part_of(word) for word in words.tolist()]
    if None in parts:
        unknown = parts.index(None)
        row = int(np.argmax(which == unknown)) + 1
        raise ValueError(
            f"{printable(place)}, row {row}: split is {shortened(words[unknown])!r}; allowed: {', '.join(PARTS)}"
        )
    number = np.array([PARTS.index(part) for part in parts if part])[which]
    return {part: np.flatnonzero(number == k) for k, part in enumerate(PARTS)}


def _trusted(place: Path, marks: Texts) -> NDArray[np.bool_]:
    words, which = np.unique(marks, return_inverse=True)
    meant = [yes(word) for word in words.tolist()]
    if None in meant:
        unknown = meant.index(None)
        row, allowed = int(np.argmax(which == unknown)) + 1, ", ".join((*YES, *NO[:-1]))
        raise ValueError(f"{printable(place)}, row {row}: trusted is {shortened(words[unknown])!r}; allowed: {allowed}")
    return np.array(meant, dtype=bool)[which]


def _require_one_part(place: Path, ids: Texts | None, rows: Mapping[Part, Rows]) -> None:
    if ids is None:
        return
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        if (both := np.intersect1d(ids[rows[first]], ids[rows[second]])).size:  # type: ignore[index]
            raise ValueError(f"{printable(place)}: id {shortened(both[0])!r} is in 2 parts; allowed: one")


def _classes(place: Path, given: Texts, rows: Mapping[Part, Rows]) -> tuple[tuple[str, ...], Rows]:
    names, number = np.unique(given, return_inverse=True)
    plain = [class_name(name) for name in names.tolist()]
    classes = tuple(in_order({plain[k] for k in np.unique(number[rows["train"]]).tolist()}))
    if len(classes) < 2:
        shown = [printable(name) for name in classes]
        raise ValueError(
            f"{printable(place)}: the training part has {len(classes)} classes {shown}; allowed: 2 or more"
        )
    place_of = {name: k for k, name in enumerate(classes)}
    if unknown := [name for name in plain if name not in place_of]:
        raise ValueError(f"{printable(place)}: no training embedding has the label {shortened(unknown[0])!r}")
    return classes, np.array([place_of[name] for name in plain], dtype=np.int64)[number]
