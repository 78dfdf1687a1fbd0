"""Entry point of `codim` and `python -m codim`: train without Ray, or work with a finished training. See --help."""

import logging
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any

from codim.commands.arguments import (
    AuditArguments,
    CrossvalArguments,
    EmbedArguments,
    ExportArguments,
    PredictArguments,
    TrainArguments,
)
from codim.text.command_line import as_called, parsed
from codim.text.safe_text import message

COMMANDS: dict[str, tuple[type[Any], str]] = {
    "predict": (PredictArguments, "codim.commands.predict"),
    "audit": (AuditArguments, "codim.commands.audit"),
    "export": (ExportArguments, "codim.commands.export"),
    "embed": (EmbedArguments, "codim.commands.embed"),
    "crossval": (CrossvalArguments, "codim.commands.crossval"),
}
"""Command -> its flags and the module whose `main` runs it, imported after parsing the flags: torch takes seconds."""


def main() -> int:
    _set_up()
    if sys.argv[1:] and sys.argv[1] in COMMANDS:
        return _command(sys.argv[1], sys.argv[2:])
    args = parsed(TrainArguments, "python -m codim", sys.argv[1:])
    from codim.commands import train as once

    return once.main(args)


def _set_up() -> None:
    """Escape what a terminal's encoding cannot show, and mute Pillow: our own messages name damaged images."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(format="%(message)s")
    logging.getLogger("codim").setLevel(logging.INFO)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="PIL")


def _command(name: str, argv: Sequence[str]) -> int:
    arguments, module = COMMANDS[name]
    args = parsed(arguments, f"python -m codim {name}", argv)
    try:
        status: int = import_module(module).main(args)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        print(message(as_called(f"python -m codim {name}: {error}")), file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
