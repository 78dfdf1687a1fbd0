"""Parts of a data set, and their spellings."""

from typing import Literal

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
SPELLINGS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Accepted spellings of each part, in lower case; compared without case."""


def part_of(text: str) -> Part | None:
    """Return the part that the name of a folder or a table cell means; None if it is none."""
    return SPELLINGS.get(text.strip().casefold())
