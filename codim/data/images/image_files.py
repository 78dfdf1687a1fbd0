"""Discovery of the image files in a folder, and counts of what else it holds."""

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
"""Suffixes of files that count as images in a folder, in any case."""
MADE_BY_SYSTEMS = {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
"""Folders made by operating systems, which hold no images of the user."""
NAMED = 5
"""Number of entries shown from a long list."""


@dataclass
class Found:
    """Image files of a folder, and counts of what was skipped, by kind."""

    files: list[Path] = field(default_factory=list)
    """Paths of the images, sorted."""
    left_out: Counter[str] = field(default_factory=Counter)


def is_image(path: Path) -> bool:
    """Whether a path counts as an image."""
    return _is_image(path, Counter())


def find_images(folder: Path) -> Found:
    """Find all images in and below a folder. Links to folders are followed, each folder once.

    Skipped and counted: hidden files and folders (macOS ._ files too), folders that a system makes, folders named like
    images, links that are dangling or lead to a folder already read, files that are not regular, and files with another
    suffix.
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
                found.left_out["links to a folder that was already read"] += 1
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
    """Return the subfolders, sorted, including links; count the skipped ones in `left_out`."""
    return sorted(path for path in parent.iterdir() if path.is_dir() and _wanted(path, left_out))


def listed(left_out: Counter[str]) -> str:
    """Describe what was skipped; empty if nothing was."""
    kinds = [f"{count} {printable(kind)}" for kind, count in left_out.most_common(NAMED)]
    more = len(left_out) - len(kinds)
    return ", ".join([*kinds, *([f"{more} more kinds"] if more else [])])


def counted(labels: Iterable[str]) -> str:
    """List each name with its count, the most frequent first; of many, only the first and the last ones."""
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
        kind = "no regular files" if path.exists() else "broken links"
    if kind:
        left_out[kind] += 1
    return not kind
