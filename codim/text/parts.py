"""The parts of a data set, and how people spell them."""

from typing import Literal

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
SPELLINGS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""In any capitals."""


def part_of(text: str) -> Part | None:
    """The part that a folder's name or a cell of a table means."""
    return SPELLINGS.get(text.strip().casefold())
