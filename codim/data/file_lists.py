"""Lists of files with labels, one entry per line, as WebVision and Clothing1M publish them."""

from pathlib import Path

from codim.text.safe_text import printable
from codim.text.text_file import read_text


def require_layout(root: Path, needed: tuple[str, ...], layout: str) -> None:
    """Check that all files `needed` exist below `root` and are not empty. Raises ValueError, with the expected
    layout."""
    missing = [name for name in needed if not (root / name).exists()]
    wrong = [name for name in needed if name not in missing and not _has_content(root / name)]
    told = [f"has no {', '.join(missing)}"] if missing else []
    told += [f"has {', '.join(wrong)}, but empty or as a folder, not as the official file"] if wrong else []
    if told:
        raise ValueError(
            f"data/root: {printable(root)} {'; it '.join(told)}; expected there (or give another data/root):\n{layout}"
        )


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def read_lines(path: Path) -> list[str]:
    """Read the lines of a file, stripped; empty ones are kept, so that line numbers stay valid."""
    try:
        return [line.strip() for line in read_text(path).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{printable(path)} cannot be read: {printable(error)}") from error


def read_labels(path: Path, num_classes: int) -> list[tuple[str, int]]:
    """Read (file, label) from lines `file label`, skipping blank ones. Raises ValueError: names file and line."""
    entries = []
    for number, line in enumerate(read_lines(path), 1):
        if not line:
            continue
        name, _, label = line.rpartition(" ")
        if not name or not label.isdecimal() or int(label) >= num_classes:
            raise ValueError(
                f"{path}, line {number}: {line!r}; allowed: a file and a label from 0 to {num_classes - 1}"
            )
        entries.append((name.strip(), int(label)))
    return entries
