"""Which files in a folder are images, and what else lies there."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import features

from codim.text.safe_text import printable

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"),
    *((".avif",) if features.check("avif") else ()),
)
"""Files that count as images in a folder, in capitals too."""
MADE_BY_SYSTEMS = {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
"""Folders that are nobody's images."""
NAMED = 5
"""Names that are told one by one, of a list that may be long."""


@dataclass
class Found:
    """The images of a folder, and how much of each kind was left out."""

    files: list[Path] = field(default_factory=list)
    """Sorted."""
    left_out: Counter[str] = field(default_factory=Counter)


def is_image(path: Path) -> bool:
    """Whether it counts as an image where it lies."""
    return _is_image(path, Counter())


def find_images(folder: Path) -> Found:
    """All images in and below a folder. Links to folders are followed, each folder once.

    Left out and counted: hidden files and folders (a Mac's ._ companions too), folders that a system makes, folders
    named like images, links that lead nowhere or to a folder that was read already, whatever is no regular file, and
    files with another suffix.
    """
    found, starts, seen = Found(), [folder], set()
    top = folder.resolve()

    def unreadable(_: OSError) -> None:
        found.left_out["folders that cannot be read"] += 1

    while starts:
        start = starts.pop(0)
        if start != folder and top.is_relative_to(start.resolve()):
            found.left_out["links to a folder above"] += 1
            continue
        for place, folders, files in os.walk(start, onerror=unreadable):
            here, real = Path(place), os.path.realpath(place)
            if real in seen:
                found.left_out["links to a folder that was read already"] += 1
                folders.clear()
                continue
            seen.add(real)
            own = [here / name for name in sorted(folders) if _wanted(here / name, found.left_out)]
            starts += [path for path in own if path.is_symlink()]
            folders[:] = [path.name for path in own if not path.is_symlink()]
            found.files += [here / name for name in files if _is_image(here / name, found.left_out)]
    found.files.sort()
    return found


def visible_folders(parent: Path, left_out: Counter[str]) -> list[Path]:
    """The folders in a folder, sorted, links to folders among them; what is passed over is counted."""
    return sorted(path for path in parent.iterdir() if path.is_dir() and _wanted(path, left_out))


def told(left_out: Counter[str]) -> str:
    """Return in words what was left out; empty where nothing was."""
    kinds = [f"{count} {printable(kind)}" for kind, count in left_out.most_common(NAMED)]
    more = len(left_out) - len(kinds)
    return ", ".join([*kinds, *([f"{more} more kinds"] if more else [])])


def counted(labels: Iterable[str]) -> str:
    """Each name with its number, the largest first; of many the first and the last ones."""
    counts = [f"{printable(name)} {count}" for name, count in Counter(labels).most_common()]
    return ", ".join(counts if len(counts) <= 2 * NAMED else [*counts[:NAMED], "...", *counts[-NAMED:]])


def _wanted(path: Path, left_out: Counter[str]) -> bool:
    kind = None
    if path.name.startswith("."):
        kind = "hidden"
    elif path.name in MADE_BY_SYSTEMS:
        kind = f"folders {path.name}"
    elif path.suffix.lower() in SUFFIXES:
        kind = "folders named like images"
    if kind:
        left_out[kind] += 1
    return not kind


def _is_image(path: Path, left_out: Counter[str]) -> bool:
    kind = None
    if path.name.startswith("."):
        kind = "hidden"
    elif path.suffix.lower() not in SUFFIXES:
        kind = path.suffix.lower() or "without suffix"
    elif not path.is_file():
        kind = "no regular files" if path.exists() else "links that lead nowhere"
    if kind:
        left_out[kind] += 1
    return not kind
