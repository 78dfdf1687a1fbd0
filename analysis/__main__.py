"""`python -m analysis RESULTS`: write the report of a study, print the path of its page. And its other commands."""

import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from inspect import getdoc
from typing import Annotated, Any

import tyro

from analysis.arguments import ExportArguments

COMMANDS: dict[str, tuple[type[Any], str]] = {
    "export": (ExportArguments, "analysis.export"),
}
"""Flags, and the module whose `main` takes them; it is imported only after they are read, since pandas takes a
second."""


def main(results: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS")]) -> None:
    """Write RESULTS/report/index.html: one page with what a study found, its figures beside it.

    For other programs and for a paper: python -m analysis export --help

    Args:
        results: a study's results folder, finished or still running; of one on object storage (s3://bucket/results/STUDY)
            the report is written below STUDY here.
    """
    # Here, since a help text need not wait for pandas and matplotlib.
    from rich.console import Console
    from rich.progress import track

    from analysis.load import load_trials
    from analysis.report import write_report

    console = Console(stderr=True)

    def steps(names: Iterable[str]) -> Iterable[str]:
        return track(list(names), "Drawing", console=console, transient=True)

    try:
        page = write_report(load_trials(results), steps)
    except (ValueError, OSError) as error:
        print(f"analysis: {error}", file=sys.stderr)
        sys.exit(2)
    print(page)


def command(name: str, argv: Sequence[str]) -> int:
    """Run one of COMMANDS; returns the exit status."""
    arguments, module = COMMANDS[name]
    # Of a docstring alone, tyro would lose the indentation of the examples.
    args = tyro.cli(arguments, prog=f"python -m analysis {name}", description=getdoc(arguments), args=argv)
    try:
        status: int = import_module(module).main(args)
    except (ValueError, OSError) as error:
        print(f"python -m analysis {name}: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in COMMANDS:
        sys.exit(command(sys.argv[1], sys.argv[2:]))
    tyro.cli(main, prog="python -m analysis")
