"""A study file as text: YAML 1.2, safe, with the line of every entry, so that an error can name its place."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Location = Sequence[str | int]
"""Keys and list positions from the top of the file, for example ("space", "mixmatch/lambda_u", "low")."""


class SpecError(ValueError):
    """A study that cannot be run as written. The message names file, line, path, value and what is allowed."""


class Source:
    """The content of a study file and where its entries stand."""

    def __init__(self, path: Path) -> None:
        """Read it. Raises SpecError: the file cannot be read, is not YAML, repeats a key, or carries a tag."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{path}: the study file cannot be read: {error}") from None
        try:
            self.content: Any = YAML(typ="safe", pure=True).load(text)
            self._root: Node | None = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise SpecError(f"{path}{line}: not a valid study file: {error.problem}") from None
        except (YAMLError, ValueError) as error:
            raise SpecError(f"{path}: not a valid study file: {error}") from None

    def line(self, location: Location) -> int:
        """Line, from 1, of the deepest entry of `location` that the file has."""
        node, line = self._root, 1
        for part in location:
            found = _child(node, part)
            if found is not None:
                key, node = found
                line = key.start_mark.line + 1
        return line

    def beside(self, path: str) -> Path:
        """Where a path that stands in the file leads: a relative one counts from the file's folder."""
        return self.path.resolve().parent / Path(path).expanduser()

    def error(self, location: Location, message: str) -> SpecError:
        return SpecError(f"{self.path}:{self.line(location)}: {message}")


def _child(node: Node | None, part: str | int) -> tuple[Node, Node] | None:
    """(Node to point at, value node) of one step down; None where there is no such entry."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
