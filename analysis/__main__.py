"""Entry point of `codim-report` and `python -m analysis`: the page of a study, and other commands."""

import sys
from importlib import import_module
from typing import Any

from analysis.commands.arguments import (
    ExportArguments,
    RecommendArguments,
    ReportArguments,
    TrustedArguments,
    WatchArguments,
)
from codim.extras import require_extra
from codim.text.command_line import as_called, parsed
from codim.text.safe_text import message

COMMANDS: dict[str, tuple[type[Any], str]] = {
    "recommend": (RecommendArguments, "analysis.commands.recommend"),
    "watch": (WatchArguments, "analysis.commands.watch"),
    "export": (ExportArguments, "analysis.commands.export"),
    "trusted": (TrustedArguments, "analysis.commands.trusted"),
}
"""Command -> its flags and the module whose `main` runs it, imported after the flags are parsed: pandas takes a
second."""


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv and argv[0] in COMMANDS else ""
    arguments, module = COMMANDS.get(name, (ReportArguments, "analysis.commands.report"))
    prog = f"python -m analysis {name}".rstrip()
    args = parsed(arguments, prog, argv[1:] if name else argv)
    try:
        require_extra("report", "the analysis of a study")
        import_module(module).main(args)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        print(message(as_called(f"{prog}: {error}")), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
