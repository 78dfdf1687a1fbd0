"""Entry point of `python -m analysis`: the page of a study, and other commands."""

import sys
from importlib import import_module
from inspect import getdoc
from typing import Any

import tyro

from analysis.commands.arguments import ExportArguments, RecommendArguments, ReportArguments, WatchArguments
from codim.text.safe_text import message

COMMANDS: dict[str, tuple[type[Any], str]] = {
    "recommend": (RecommendArguments, "analysis.commands.recommend"),
    "watch": (WatchArguments, "analysis.commands.watch"),
    "export": (ExportArguments, "analysis.commands.export"),
}
"""Command -> its flags and the module whose `main` runs it, imported after the flags are parsed: pandas takes a
second."""


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv and argv[0] in COMMANDS else ""
    arguments, module = COMMANDS.get(name, (ReportArguments, "analysis.commands.report"))
    prog = f"python -m analysis {name}".rstrip()
    # Left to read the docstring itself, tyro would lose the indentation of the examples.
    args = tyro.cli(arguments, prog=prog, description=getdoc(arguments), args=argv[1:] if name else argv)
    try:
        import_module(module).main(args)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        print(f"{prog}: {message(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
