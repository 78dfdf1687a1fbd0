"""Command lines: their flags, and their names in messages and help texts."""

import sys
from collections.abc import Sequence
from inspect import getdoc
from pathlib import Path
from typing import TypeVar

import tyro

T = TypeVar("T")

CONSOLE = {"python -m codim": "codim", "python study/run.py": "codim-study", "python -m analysis": "codim-report"}
"""Command as it is called in a checkout -> its name where the project is installed."""


def as_called(text: str) -> str:
    """Return text in which each command of CONSOLE has the name that goes with how this process was started."""
    if Path(sys.argv[0]).name in CONSOLE.values():
        for command, name in CONSOLE.items():
            text = text.replace(command, name)
    return text


def parsed(arguments: type[T], command: str, argv: Sequence[str]) -> T:
    """Return the flags of a command. Raises SystemExit after --help, --version, or a message about a wrong flag."""
    if list(argv) == ["--version"]:
        from codim.version import DISTRIBUTION, __version__

        print(DISTRIBUTION, __version__)
        raise SystemExit(0)
    # Left to read the docstring itself, tyro would lose the indentation of the examples.
    description = as_called(getdoc(arguments) or "")
    return tyro.cli(arguments, prog=as_called(command), description=description, args=argv)
