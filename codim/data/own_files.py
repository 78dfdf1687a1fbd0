"""Files, labels and parts of own images, before any is opened. Imports no torch."""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from codim.config.data import DataConfig
from codim.data.images.image_files import SUFFIXES, counted, find_images, is_image, listed, visible_folders
from codim.data.part_folders import part_folders, require_no_parts
from codim.text.label_table import Row, read_rows
from codim.text.parts import PARTS, Part
from codim.text.safe_text import class_name, printable

WHOLE_NUMBER = re.compile(r"-?\d{1,1000}")
log = logging.getLogger(__name__)


class OwnImages(NamedTuple):
    """Own images by part, below `root`; an image has one name, even if it is listed several times."""

    root: Path
    classes: tuple[str, ...]
    rows: dict[Part, list[Row]]
    notes: tuple[str, ...]
    """Lines about what was found and what was skipped."""

    def logged(self) -> "OwnImages":
        """Log the notes, and return self."""
        for note in self.notes:
            log.info(note)
        return self


def own_images(config: DataConfig) -> OwnImages:
    """Read the images of `data/root`, and those of `data/trusted` where it is a folder. Raises ValueError as
    `folder_images` and `table_images`."""
    if config.name == "folder":
        return folder_images(config.place, config.trusted_folder)
    return table_images(config.place, trusted=config.trusted_folder)


def folder_images(root: Path, trusted: Path | None = None) -> OwnImages:
    """Find `root/<class>/**`, all for training, or `root/train/<class>/**` and so on if the folders are named like
    parts; then `trusted/<class>/**`, whose labels somebody has checked, for training. Classes are sorted.

    Raises:
        ValueError: no such folder, fewer than two classes, a class without images, a class that only another part has,
            an image in two parts, or folders that could be either parts or classes.
    """
    if not root.is_dir():
        raise ValueError(f"{printable(root)} is not a folder; allowed: a folder with one folder of images per class")
    if trusted is not None and trusted.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"data/trusted: {printable(trusted)} lies in data/root; allowed: a folder beside it")
    passed: Counter[str] = Counter()
    top = visible_folders(root, passed)
    parts = part_folders(top)
    if beside := sum(is_image(path) for where in (root, *parts.values()) for path in where.iterdir()):
        passed["images outside the class folders"] = beside
    rows = []
    for part in [part for part in PARTS if part in parts] if parts else PARTS[:1]:
        of_classes = visible_folders(parts[part], passed) if parts else top
        if parts:
            require_no_parts(of_classes)
        for of_class in of_classes:
            rows += [
                Row(str(path.relative_to(root)), class_name(of_class.name), part) for path in _files(of_class, passed)
            ]
    return _own_images(root, root, rows, sorted, trusted, passed)


def _files(of_class: Path, passed: Counter[str]) -> list[Path]:
    """Find the images of a class; count what is left out. Raises ValueError: there is none."""
    found = find_images(of_class)
    if not found.files:
        others = f"; found: {listed(found.left_out)}" if found.left_out else ""
        raise ValueError(f"{printable(of_class)} holds no image; allowed suffixes: {', '.join(SUFFIXES)}{others}")
    passed += found.left_out
    return found.files


def _trusted_rows(folder: Path | None, passed: Counter[str]) -> list[Row]:
    """Find the images in the class folders of a folder of trusted ones. Raises ValueError."""
    if folder is None:
        return []
    classes = visible_folders(folder, passed)
    if not classes:
        raise ValueError(
            f"data/trusted: {printable(folder)} has no folders; allowed: a folder of images for each class"
        )
    return [
        Row(str(path.absolute()), class_name(of_class.name), "train", trusted=True)
        for of_class in classes
        for path in _files(of_class, passed)
    ]


def table_images(path: Path, root: Path | None = None, trusted: Path | None = None) -> OwnImages:
    """Read images from a .csv or .parquet file with columns `path` (absolute, or below `root`, by default the table's
    folder), `label` (a name or a number) and optionally `split` (train, val or test; without it all is for training)
    and `trusted` (yes or no: whether somebody has checked the label; without it no); and `trusted/<class>/**`, as
    `folder_images` does.

    Classes are sorted; numerically if all labels are whole numbers, with ties by their text.

    Raises:
        ValueError: names the file and, where one is at fault, the row (1: the first below the header).
    """
    return _own_images(path, root or path.parent, read_rows(path), in_order, trusted, Counter())


def in_order(labels: set[str]) -> list[str]:
    """Sort class names: numerically if all are whole numbers, else alphabetically; independent of the input order."""
    names = sorted(labels)
    return sorted(names, key=int) if all(map(WHOLE_NUMBER.fullmatch, names)) else names


def _own_images(
    place: Path,
    root: Path,
    rows: list[Row],
    order: Callable[[set[str]], list[str]],
    trusted: Path | None,
    passed: Counter[str],
) -> OwnImages:
    checked = _trusted_rows(trusted, passed)
    rows += checked
    classes = order({row.label for row in rows if row.part == "train"})
    if len(classes) < 2:
        shown = [printable(name) for name in classes]
        raise ValueError(
            f"{printable(place)}: the training part has {len(classes)} classes {shown}; allowed: 2 or more"
        )
    known = set(classes)
    for row in rows:
        if row.label not in known:
            raise ValueError(f"{row.where(place)}: no training image has the label {row.label!r}")
    rows = _one_name_each(place, root, rows)
    _require_apart(place, rows[: len(rows) - len(checked)], rows[len(rows) - len(checked) :])
    by_part: dict[Part, list[Row]] = {part: [row for row in rows if row.part == part] for part in PARTS}
    notes = [
        f"{printable(place)}: {part} part, {len(own)} images of {len(classes)} classes: "
        f"{counted(row.label for row in own)}"
        for part, own in by_part.items()
        if own
    ]
    if again := len(by_part["train"]) - len({row.path for row in by_part["train"]}):
        notes.append(
            f"{printable(place)}: {again} images of the training part are copies of others; copies of an image stay in "
            "one split"
        )
    if checked:
        notes.append(f"{printable(trusted)}: {len(checked)} trusted images: {counted(row.label for row in checked)}")
    if passed:
        notes.append(f"{printable(place)}: left out: {listed(passed)}")
    return OwnImages(root, tuple(classes), by_part, tuple(notes))


def _require_apart(place: Path, others: list[Row], checked: list[Row]) -> None:
    """Check that no image is listed both as trusted and without a check. Raises ValueError."""
    names = {row.path for row in others} if checked else set()
    for row in checked:
        if row.path in names:
            raise ValueError(
                f"data/trusted: {printable(row.path)} is in {printable(place)}, too; allowed: in one of both"
            )


def _one_name_each(place: Path, root: Path, rows: list[Row]) -> list[Row]:
    """Give an image that is listed under several names (a link, another path to it) the first of them everywhere.

    Raises ValueError: an image is in two parts.
    """
    real_folder = cache(os.path.realpath)

    def identity(name: str) -> str:
        # Tables may have a million rows, and Path is ten times slower.
        path = os.path.join(root, name)  # noqa: PTH118
        if os.path.islink(path):  # noqa: PTH114
            return os.path.realpath(path)
        folder, file = os.path.split(path)
        return f"{real_folder(folder)}/{file}"

    identities = {name: identity(name) for name in {row.path: None for row in rows}}
    first: dict[str, Row] = {}
    parts: dict[str, set[Part]] = {}
    for row in rows:
        first.setdefault(identities[row.path], row)
        parts.setdefault(identities[row.path], set()).add(row.part)
    for row in rows:
        own = identities[row.path]
        if len(parts[own]) > 1:
            other = next(r for r in rows if identities[r.path] == own and r.part != row.part)
            raise ValueError(
                f"{row.where(place)}: {printable(row.path)} is in {len(parts[own])} parts; allowed: one "
                f"(the other: {other.where(place)})"
            )
    return [row._replace(path=first[identities[row.path]].path) for row in rows]
