"""Tiny image files for the tests of the loaders."""

from pathlib import Path

import numpy as np
from PIL import Image


def save_plain(path: Path, level: int, width: int = 12, height: int = 10) -> None:
    """An image of one grey level, by which a test knows it again (a JPEG is off by a level or two)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), level, dtype=np.uint8)).save(path, format=_format(path))


def write_lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def _format(path: Path) -> str:
    return "PNG" if path.suffix == ".png" else "JPEG"
