"""Own images: a folder per class, or a table of files and labels.

The given labels are all that is known: true labels count as unknown, whatever noise is laid on top. Without a test part
no test accuracy is measured (NaN); nothing is held out for one behind the user's back.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from codim.decode import SUFFIXES
from codim.settings.data import DataConfig
from codim.source import ImageSource, cached_parts

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")


class Entry(NamedTuple):
    """An image of the user's."""

    part: Part
    name: str
    """File, below the root."""
    label: str
    where: str
    """For errors."""


def folder(config: DataConfig) -> ImageSource:
    """`root/<class>/**` all for training; or, where `root/train` stands with at most `val` and `test` beside it,
    `root/train/<class>/**` and so on. Classes in sorted order. Hidden files and folders and files that are no images
    by their suffix are passed over.

    Raises:
        ValueError: no such folder, fewer than two classes, a class without images, a class that only `val` or `test`
            has, or a part `val` without `data/validation: official`.
    """
    root = config.place
    if not root.is_dir():
        raise ValueError(f"data/root: {root} is no folder; allowed: a folder with a folder of images per class")
    inside = {path.name for path in _folders(root)}
    split = "train" in inside and inside <= set(PARTS)
    entries: list[Entry] = []
    for part in [part for part in PARTS if part in inside] if split else PARTS[:1]:
        for of_class in _folders(root / part if split else root):
            files = sorted(path for path in of_class.rglob("*") if _is_image(path.relative_to(root)))
            if not files:
                raise ValueError(f"{of_class} holds no image; allowed suffixes: {', '.join(SUFFIXES)}")
            names = [str(path.relative_to(root)) for path in files]
            entries += [Entry(part, name, of_class.name, str(root / name)) for name in names]
    return _source(config, root, entries, sorted)


def table(config: DataConfig) -> ImageSource:
    """A .csv or .parquet file with columns `path` (absolute, or from the table's folder), `label` (a name or a number)
    and optionally `split` (train, val or test; without it all is for training).

    Classes in sorted order; by value where all labels are whole numbers.

    Raises:
        ValueError: names the file and, where one is at fault, the row (1: the first below the header).
    """
    path = config.place
    columns = _read_table(path)
    entries = []
    for i, (name, label, part) in enumerate(zip(*columns, strict=True)):
        where = f"{path}, row {i + 1}"
        if not name or not label:
            raise ValueError(f"{where}: {'path' if not name else 'label'} is empty")
        if part not in PARTS:
            raise ValueError(f"{where}: split is {part!r}; allowed: {', '.join(PARTS)}")
        entries.append(Entry(part, name, label, where))
    return _source(config, path.parent, entries, _by_value)


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _read_table(path: Path) -> list[list[Any]]:
    """Path, label and split of each row, as text."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"data/root: {path} is no table; allowed: a .csv or .parquet file")
    import pyarrow as pa  # few trainings need it
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            content = pyarrow.parquet.read_table(path)
        else:
            text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(("path", "label", "split"), pa.string()))
            content = pyarrow.csv.read_csv(path, convert_options=text)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    missing = [name for name in ("path", "label") if name not in content.column_names]
    if missing:
        found = ", ".join(content.column_names)
        raise ValueError(f"{path} has no column {' and '.join(missing)}; found: {found}")
    columns = [[_text(value) for value in content.column(name).to_pylist()] for name in ("path", "label")]
    parts = content.column("split").to_pylist() if "split" in content.column_names else ["train"] * len(columns[0])
    return [*columns, parts]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _by_value(labels: set[str]) -> list[str]:
    numbers = all(label.removeprefix("-").isdecimal() for label in labels)
    return sorted(labels, key=int) if numbers else sorted(labels)


def _source(config: DataConfig, root: Path, entries: list[Entry], in_order: Any) -> ImageSource:
    classes: list[str] = in_order({entry.label for entry in entries if entry.part == "train"})
    if len(classes) < 2:
        raise ValueError(f"{config.place}: the training part has {len(classes)} classes {classes}; allowed: 2 or more")
    number = {name: k for k, name in enumerate(classes)}
    for entry in entries:
        if entry.label not in number:
            raise ValueError(f"{entry.where}: no training image has the label {entry.label!r}")
    _require_apart(entries)
    parts = [[entry for entry in entries if entry.part == part] for part in PARTS]
    if parts[1] and config.validation == "split":
        raise ValueError(
            f"{config.place}: {len(parts[1])} images are marked as validation part, but data/validation is 'split'; "
            "set data/validation: official, or take them out"
        )
    images = cached_parts(config, root, [[entry.name for entry in part] for part in parts])
    labels = [np.array([number[entry.label] for entry in part], dtype=np.int64) for part in parts]
    val_images, val_labels = (images[1], labels[1]) if parts[1] else (None, None)
    return ImageSource(
        images[0], labels[0], images[2], labels[2], tuple(classes), val_images, val_labels, truth_known=False
    )


def _require_apart(entries: list[Entry]) -> None:
    """No image stands in two parts."""
    parts = Counter(name for name, _ in {(entry.name, entry.part) for entry in entries})
    for entry in entries:
        if parts[entry.name] > 1:
            raise ValueError(f"{entry.where}: {entry.name} stands in {parts[entry.name]} parts; allowed: one")
