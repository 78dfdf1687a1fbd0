"""A study file as text: safe YAML 1.2, with the line of every entry for error messages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from study.errors import SpecError

Location = Sequence[str | int]
"""Keys and list positions from the top of the file, for example ("space", "mixmatch/lambda_u", "low")."""
MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_CHARACTERS = 100_000, 20, 20_000, 1_000
"""Limits on a study file: its size, nesting, entries with aliases expanded, and the length of one value. No study
comes near them, and no file within them takes much time or memory."""


class Source:
    """The content of a study file, and the line of each entry."""

    def __init__(self, path: Path, changes: Sequence[str] = ()) -> None:
        """Read the file and apply `changes`, each `path/to/entry=value`. Raises SpecError if the file or a value cannot
        be read, is too large, is not YAML, repeats a key, or has a tag."""
        self.path = path
        self._changed: dict[tuple[str, ...], str] = {}
        """Location of each overridden entry -> the change that was requested."""
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            text = content.decode()
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{path}: the study file cannot be read: {error}") from None
        if len(content) > MAX_BYTES:
            raise SpecError(f"{path}: the study file is too large; allowed: {MAX_BYTES} bytes")
        try:
            self._require_modest(text)
            self.content: Any = YAML(typ="safe", pure=True).load(text)
            self._root: Node | None = YAML(typ="safe", pure=True).compose(text)
        except SpecError:
            raise
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise SpecError(f"{path}{line}: not a valid study file: {error.problem}") from None
        except (YAMLError, ValueError) as error:
            raise SpecError(f"{path}: not a valid study file: {' '.join(str(error).split())}") from None
        for change in changes:
            self._change(change)

    def _change(self, change: str) -> None:
        path, equals, text = change.partition("=")
        keys, at, place = path.split("/"), list[str](), self.content
        try:
            if not equals or not all(keys) or len(text) > MAX_CHARACTERS:
                raise ValueError("allowed: path/to/entry=value")
            self._require_modest(text)
            value = YAML(typ="safe", pure=True).load(text)
            while keys:
                if not isinstance(place, dict):
                    raise ValueError(f"{'/'.join(at)} holds no entries that can be set")
                # Some keys contain a slash themselves, as those of `space` do.
                usual = 2 if at == ["space"] else 1
                parts = next((n for n in range(len(keys), 0, -1) if "/".join(keys[:n]) in place), usual)
                at.append("/".join(keys[:parts]))
                keys = keys[parts:]
                if keys:
                    place = place.setdefault(at[-1], {})
        except (YAMLError, ValueError) as error:
            raise SpecError(f"--set {change}: {' '.join(str(error).split())}") from None
        place[at[-1]] = value
        self._changed[tuple(at)] = change

    def _require_modest(self, text: str) -> None:
        """Raise SpecError if the nesting is too deep for Python's stack, or aliases expand to too much. Events are read
        one by one, before anything is built from them."""
        sizes: dict[str, tuple[int, int]] = {}
        """Anchor -> number of entries, and of levels below it."""
        open_: list[list[Any]] = [[None, 0, 0]]
        """Anchor, entries and levels so far of each open collection."""
        for event in YAML(typ="safe", pure=True).parse(text):
            entries, levels, anchor = 1, 0, getattr(event, "anchor", None)
            if isinstance(event, CollectionStartEvent):
                open_.append([anchor, 1, 0])
                sizes.pop(str(anchor), None)
            elif isinstance(event, CollectionEndEvent):
                anchor, entries, levels = open_.pop()
            elif isinstance(event, AliasEvent):
                if anchor not in sizes:
                    raise self._too_much(event, f"the alias *{anchor} stands for nothing that ends before it")
                entries, levels = sizes[anchor]
            elif not isinstance(event, ScalarEvent):
                continue
            elif len(event.value) > MAX_CHARACTERS:
                raise self._too_much(event, f"a value is too long; allowed: {MAX_CHARACTERS} characters")
            if not isinstance(event, CollectionStartEvent):
                outer = open_[-1]
                outer[1], outer[2] = outer[1] + entries, max(outer[2], levels + 1)
                if anchor and not isinstance(event, AliasEvent):
                    sizes[anchor] = entries, levels
            if len(open_) + levels > MAX_DEPTH:
                raise self._too_much(event, f"nested too deep; allowed: {MAX_DEPTH} levels")
            if open_[-1][1] > MAX_ENTRIES:
                raise self._too_much(event, f"too many entries, aliases written out; allowed: {MAX_ENTRIES}")

    def _too_much(self, event: Any, message: str) -> SpecError:
        return SpecError(f"{self.path}:{event.start_mark.line + 1}: not a valid study file: {message}")

    def line(self, location: Location) -> int:
        """Return the line, from 1, of the deepest entry on the path `location` that exists in the file."""
        node, line = self._root, 1
        for part in location:
            found = _child(node, part)
            if found is not None:
                key, node = found
                line = key.start_mark.line + 1
        return line

    def beside(self, path: str) -> Path:
        """Return the absolute form of a path in the file; a relative path starts at the file's folder."""
        return self.path.resolve().parent / Path(path).expanduser()

    def error(self, location: Location, message: str) -> SpecError:
        for place, change in self._changed.items():
            if tuple(map(str, location[: len(place)])) == place:
                return SpecError(f"{self.path} with --set {change}: {message}")
        return SpecError(f"{self.path}:{self.line(location)}: {message}")


def _child(node: Node | None, part: str | int) -> tuple[Node, Node] | None:
    """Return (node that has the line, value node) of one step down; None if there is no such entry."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
