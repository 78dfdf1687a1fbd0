"""Detection of whether the folders of own images are parts of the data or classes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from codim.data.images.image_files import is_image, visible_folders
from codim.text.parts import Part, part_of
from codim.text.safe_text import class_name, printable

MEANT = (
    "are these parts of the data, or classes? Parts are called train, val and test; where they are classes, name the "
    "images in a table (data/name: table)"
)


def part_folders(folders: Sequence[Path]) -> dict[Part, Path]:
    """Return the folder of each part; empty if the folders are classes.

    Raises:
        ValueError: two folders are the same part, or it is ambiguous whether these are parts or classes.
    """
    named: dict[Part, Path] = {}
    others = []
    for folder in folders:
        part = part_of(folder.name)
        if part is None:
            others.append(folder)
        elif part in named:
            raise ValueError(
                f"{printable(folder)} and {printable(named[part])} are both the part called {part}; allowed: one"
            )
        else:
            named[part] = folder
    if "train" in named and not others:
        return named
    _require_classes(folders, list(named.values()) if others else [])
    return {}


def require_no_parts(folders: Sequence[Path]) -> None:
    """Check that folders of classes do not hold the same subfolders, as parts would. Raises ValueError."""
    _require_classes(folders, [])


def _require_classes(folders: Sequence[Path], doubtful: Sequence[Path]) -> None:
    """Check that the folders are classes. `doubtful`: folders named like a part, beside others that are not."""
    inside = {folder: _inner_names(folder) for folder in folders}
    shared = set.intersection(*inside.values()) if len(folders) > 1 else set()
    for folder in doubtful:
        beside = set().union(*(names for other, names in inside.items() if other != folder))
        shared |= inside[folder] & beside
    if len(shared) > 1 or (doubtful and shared):
        names = ", ".join(printable(folder.name) for folder in folders)
        within = ", ".join(sorted(map(printable, shared))[:5])
        raise ValueError(
            f"{printable(folders[0].parent)} contains {names}, which contain the same folders ({within}): {MEANT}"
        )


def _inner_names(folder: Path) -> set[str]:
    """Return the names of the subfolders of a folder that holds no image itself."""
    if any(is_image(path) for path in folder.iterdir()):
        return set()
    return {class_name(path.name) for path in visible_folders(folder, Counter())}
