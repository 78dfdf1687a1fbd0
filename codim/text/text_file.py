"""Reading of text files written by people: UTF-8, with or without a byte order mark."""

import json
from pathlib import Path
from typing import Any


def read_text(path: Path) -> str:
    """Read a text file. Raises ValueError: it is not UTF-8."""
    return path.read_text(encoding="utf-8-sig")


def parse_json(text: str) -> Any:
    """Parse JSON. Raises ValueError: invalid JSON, a repeated key, or nesting that is too deep."""
    try:
        return json.loads(text, object_pairs_hook=_each_key_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} appears twice")
    return found
