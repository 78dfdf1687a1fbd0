"""Lists of files with labels, one entry a line, as WebVision and Clothing1M publish them."""

from pathlib import Path


def require_layout(root: Path, needed: tuple[str, ...], layout: str) -> None:
    """Raises ValueError, with the expected layout, where one of `needed` is not below `root`."""
    missing = [name for name in needed if not (root / name).exists()]
    if missing:
        raise ValueError(
            f"data/root: {root} has no {', '.join(missing)}; expected there (or give another data/root):\n{layout}"
        )


def read_lines(path: Path) -> list[str]:
    """Its lines without surrounding blanks; empty ones stay, so that numbers of lines hold."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def read_labels(path: Path, num_classes: int) -> list[tuple[str, int]]:
    """(file, label) of each line `file label`, blank lines left out. Raises ValueError: names file and line."""
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
